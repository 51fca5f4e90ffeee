//! The columns of a file, by their names in English and Chinese, with their units.
//!
//! A header is a name and, for an amount, its unit: behind the name after `_`, or in brackets. Case, spaces and the width of
//! brackets do not matter: `facility_kwh`, `Facility (kWh)` and `总用电量（千瓦时）` are one column.

use super::Wrong;

/// A column that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // See `NAMES`.
pub enum Column {
    Site,
    Date,
    Month,
    Facility,
    It,
    Generator,
    Excluded,
    Renewable,
    Reuse,
    Water,
    Carbon,
    Racks,
    Position,
    Coverage,
    Note,
}

/// What a column's cells hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Energy,
    Water,
    Carbon,
    Share,
    None,
}

/// A unit: its names, and how many of the ledger's units one is.
type Unit = (&'static [&'static str], f64);

const ENERGY: &[Unit] = &[
    (&["kwh", "千瓦时", "度"], 1e3),
    (&["mwh", "兆瓦时"], 1e6),
    (&["wh", "瓦时"], 1.0),
    (&["万kwh", "万千瓦时", "万度"], 1e7),
];
const WATER: &[Unit] = &[(&["m3", "m³", "立方米", "吨"], 1e6), (&["l", "升"], 1e3)];
const CARBON: &[Unit] =
    &[(&["kg", "kgco2e", "kgco2", "千克", "公斤"], 1e3), (&["t", "tco2e", "tco2", "吨"], 1e6)];
const SHARE: &[Unit] = &[(&["percent", "%", "百分比"], 1.0)];

/// The first name of each language is the one that templates use.
const NAMES: [(Column, &[&str], &[&str]); 15] = [
    (Column::Site, &["site", "dc", "datacenter"], &["数据中心", "机房", "站点", "局站"]),
    (Column::Date, &["date", "day"], &["日期"]),
    (Column::Month, &["month"], &["月份", "账期"]),
    (
        Column::Facility,
        &["facility", "total"],
        &["总用电量", "总用电", "总电量", "总耗电量", "数据中心总用电量", "数据中心总耗电量"],
    ),
    (Column::It, &["it"], &["it设备用电量", "it设备耗电量", "it用电量", "it耗电量", "it设备", "it用电"]),
    (Column::Generator, &["generator"], &["自备发电量", "自备发电", "发电机发电量", "柴发发电量"]),
    (Column::Excluded, &["excluded"], &["非机房用电量", "非机房用电", "扣除电量"]),
    (Column::Renewable, &["renewable"], &["可再生能源用电量", "可再生能源", "绿电电量", "绿电"]),
    (Column::Reuse, &["reuse"], &["余热回收量", "余热回收"]),
    (Column::Water, &["water"], &["用水量", "用水", "耗水量"]),
    (Column::Carbon, &["carbon"], &["碳排放量", "碳排放"]),
    (Column::Racks, &["racks", "racksinuse"], &["在用机架数", "在用机架", "在用机柜数", "在用机柜"]),
    (Column::Position, &["position"], &["计量位置", "it计量位置"]),
    (Column::Coverage, &["coverage"], &["计量覆盖率", "覆盖率"]),
    (Column::Note, &["note", "reason", "remark"], &["备注", "原因", "说明"]),
];

impl Column {
    /// Every column, in the order of a template.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(column, ..)| *column)
    }

    fn quantity(self) -> Quantity {
        match self {
            Self::Facility | Self::It | Self::Generator | Self::Excluded | Self::Renewable | Self::Reuse => {
                Quantity::Energy
            }
            Self::Water => Quantity::Water,
            Self::Carbon => Quantity::Carbon,
            Self::Coverage => Quantity::Share,
            _ => Quantity::None,
        }
    }

    fn units(self) -> &'static [Unit] {
        match self.quantity() {
            Quantity::Energy => ENERGY,
            Quantity::Water => WATER,
            Quantity::Carbon => CARBON,
            Quantity::Share => SHARE,
            Quantity::None => &[],
        }
    }

    /// The units that its header may name.
    fn units_text(self) -> &'static str {
        match self.quantity() {
            Quantity::Energy => "kWh, MWh, Wh, 千瓦时, 度, 兆瓦时, 万千瓦时",
            Quantity::Water => "m3, L, 立方米, 吨, 升",
            Quantity::Carbon => "kg, t, 千克, 吨",
            Quantity::Share | Quantity::None => "%",
        }
    }

    /// Its header in a template, in English.
    pub fn english(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Date => "date",
            Self::Month => "month",
            Self::Facility => "facility_kwh",
            Self::It => "it_kwh",
            Self::Generator => "generator_kwh",
            Self::Excluded => "excluded_kwh",
            Self::Renewable => "renewable_kwh",
            Self::Reuse => "reuse_kwh",
            Self::Water => "water_m3",
            Self::Carbon => "carbon_kg",
            Self::Racks => "racks",
            Self::Position => "position",
            Self::Coverage => "coverage_percent",
            Self::Note => "note",
        }
    }

    /// Its header in a template, in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Site => "数据中心",
            Self::Date => "日期",
            Self::Month => "月份",
            Self::Facility => "总用电量(kWh)",
            Self::It => "IT设备用电量(kWh)",
            Self::Generator => "自备发电量(kWh)",
            Self::Excluded => "非机房用电量(kWh)",
            Self::Renewable => "可再生能源用电量(kWh)",
            Self::Reuse => "余热回收量(kWh)",
            Self::Water => "用水量(m3)",
            Self::Carbon => "碳排放量(kg)",
            Self::Racks => "在用机架数",
            Self::Position => "计量位置",
            Self::Coverage => "计量覆盖率(%)",
            Self::Note => "备注",
        }
    }
}

/// A column as a header names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Which.
    pub column: Column,
    /// How many of the ledger's units one of its unit is; 1 for what has none.
    pub scale: f64,
}

/// Without what does not matter: spaces, case, the width of brackets and of the percent sign.
fn plain(text: &str) -> String {
    let narrow = |letter: char| match letter {
        '（' | '［' | '[' => '(',
        '）' | '］' | ']' => ')',
        '％' => '%',
        other => other,
    };
    text.chars().filter(|letter| !letter.is_whitespace()).map(narrow).flat_map(char::to_lowercase).collect()
}

fn named(name: &str) -> Option<Column> {
    let name: String = name.chars().filter(|letter| !['_', '-'].contains(letter)).collect();
    let known =
        NAMES.iter().find(|(_, english, chinese)| english.iter().chain(*chinese).any(|known| *known == name));
    known.map(|(column, ..)| *column)
}

/// The column that a header names.
pub fn header(text: &str) -> Result<Header, Wrong> {
    let text = plain(text);
    let (name, unit) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, unit)) => (name, Some(unit)),
        None => (text.as_str(), None),
    };
    if let Some(column) = named(name) {
        return measured(column, unit);
    }
    // facility_kwh
    let parts = unit.is_none().then(|| name.rsplit_once('_')).flatten();
    let (column, unit) =
        parts.and_then(|(name, unit)| Some((named(name)?, unit))).ok_or(Wrong::UnknownColumn)?;
    measured(column, Some(unit))
}

fn measured(column: Column, unit: Option<&str>) -> Result<Header, Wrong> {
    let (known, units) = (column.units(), column.units_text());
    match unit {
        // Brackets behind a name without a unit are a remark, but a share is one anyhow.
        _ if known.is_empty() => Ok(Header { column, scale: 1.0 }),
        None if column == Column::Coverage => Ok(Header { column, scale: 1.0 }),
        None => Err(Wrong::NoUnit { units }),
        Some(unit) => known
            .iter()
            .find(|(names, _)| names.contains(&unit))
            .map(|(_, scale)| Header { column, scale: *scale })
            .ok_or_else(|| Wrong::UnknownUnit { unit: unit.to_owned(), units }),
    }
}
