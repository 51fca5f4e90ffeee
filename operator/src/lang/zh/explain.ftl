explain-title = 数据中心 { $name }，{ $at }（{ $zone }）
explain-unseen = 此处无法访问 Prometheus（{ $reason }）：以下内容仅依据 status 与日台账。
explain-unseen-nothing = { $name } 既没有 status 也没有日台账，无从说明。
explain-wrong = 无法读取 spec：{ $message }

explain-row-annual = 年度判定
explain-row-operational = 运行判定
explain-row-enforcement = 处置
explain-row-none = 尚未作出任何判定

explain-head-annual = 年度
explain-head-budget = { $year } 年用能额度与预测
explain-head-operational = 运行
explain-head-meters = 计量表
explain-head-advice = 减少负载是否有帮助
explain-head-enforcement = 处置
explain-head-conditions = 不为真的状况
explain-head-ways = 如何恢复

explain-annual-within = { $verdict }：PUE { $pue }，不高于目标值 { $target }
explain-annual-above = { $verdict }：PUE { $pue }，高于目标值 { $target }，超出 { $excess } kWh
explain-annual-projected = { $verdict }：PUE { $pue } 不高于目标值 { $target }，但预计全年将超过年度目标
explain-annual-interim = { $verdict }：阶段性 PUE { $pue }，目标值 { $target }；满 365 天方可判定
explain-annual-new-target = { $verdict }：PUE { $pue }；首个目标值实行未满 365 天
explain-annual-no-target = { $verdict }：PUE { $pue }；尚无可对照的目标值
explain-annual-coverage = { $verdict }：计量覆盖率 { $percent } %，要求 { $needed } %
explain-annual-month = { $verdict }：以下月份计量不足：{ $months }
explain-annual-no-data = { $verdict }：没有任何一天两侧读数均有效
explain-annual-no-load = { $verdict }：IT 用电量过小，无法作除数
explain-annual-impossible = { $verdict }：IT 设备用电不可能大于总用电；缺少一路进线，或某 IT 计量表被重复计入
explain-annual-suspect = { $verdict }：PUE 过高，不可信；缺少 IT 计量表或其读数偏小
explain-division = 总用电 { $facility } kWh / IT 用电 { $it } kWh = { $pue }
explain-division-none = 总用电 { $facility } kWh，IT 用电 { $it } kWh；两者之商不是有效的 PUE
explain-span = 计入 { $span } 天中的 { $days } 天，{ $from } 至 { $to }；计量覆盖率 { $percent } %，要求 { $needed } %
explain-excess = 超出目标值允许的用电 { $excess } kWh
explain-room = 低于目标值允许的用电 { $room } kWh
explain-thin-month = { $month } 的计量覆盖率为 { $percent } %；每月要求 80 %
explain-category = 测量类别 { $category }（共 3 类），由以下计量表决定：{ $meters }
explain-category-meter = { $meter }（{ $position }，间隔 { $interval }）
explain-left-out = 未计入的日期：
explain-left-days = 天数
explain-left-why = 原因
explain-left-when = 日期
explain-left-more = 及更早
explain-because-no-row = 日台账中没有：Prometheus 无读数
explain-because-missing = 某计量表无读数
explain-because-suspect = 数据自相矛盾，或某计量表可疑
explain-because-facility = 总用电侧计量不足
explain-because-it = IT 侧计量不足
explain-steps = 目标值 { $target }，按 IT 用电加权：
explain-step-from = 起始日
explain-step-max = 目标值
explain-step-days = 天数
explain-step-it = IT 用电 kWh
explain-step-weight = 权重

explain-budget = 非 IT 能耗已用 { $used } kWh，额度 { $allowed } kWh
explain-budget-exhausted = 按目前速度将于 { $day } 用尽
explain-burn = 已用 / 允许：{ $rates }
explain-forecast = 预计全年为 { $end }，年度目标 { $target }
explain-required = 余下 { $days } 天须保持 { $pue }
explain-required-none = 余下时间内任何 PUE 都无法弥补
explain-next-hour = 预计下一小时为 { $pue }

explain-operational = { $verdict }，始于 { $since }：{ $until } 结束的时段 PUE 为 { $pue }，目标值 { $target }
explain-operational-bare = { $verdict }，始于 { $since }
explain-operational-blind = { $verdict }，始于 { $since }：完全读不到计量表；此前为{ $before }
explain-operational-invalid = { $verdict }，始于 { $since }：{ $why }
explain-window = 时段
explain-window-facility = 总用电 kWh
explain-window-it = IT 用电 kWh
explain-window-pue = PUE
explain-window-target = 目标值
explain-window-side = 计为
explain-side-over = 偏高
explain-side-above = 高于目标，容差之内
explain-side-within = 目标之内
explain-side-under = 偏低
explain-side-none = 不判定
explain-bands = 偏高：高于 { $over }；偏低：不高于 { $under }；目前连续 { $streak } 个
explain-change-clear = 再连续 { $windows } 个时段不高于 { $level } 即解除，最早于 { $at }
explain-change-violate = 再连续 { $windows } 个时段高于 { $level } 即超标，最早于 { $at }
explain-invalid-absent = 计量表 { $meter } 在上一时段没有读数
explain-invalid-coverage = { $side }侧在上一时段的计量覆盖率为 { $percent } %，要求 { $needed } %；计量表 { $meter } 缺口最大
explain-invalid-suspect = 计量表 { $meter } 一天之内归零或倒退 { $times } 次
explain-invalid-negative = 剔除的用电比供电多 { $excess } kWh
explain-invalid-load = IT 计量表计得 { $it } kWh，要求 { $needed } kWh
explain-invalid-below-one = PUE 将为 { $pue }，而 IT 设备用电不可能大于总用电
explain-invalid-above-ten = PUE 将为 { $pue }，过高而不可信

explain-meter = 计量表
explain-meter-purpose = 用途
explain-meter-position = 位置
explain-meter-last = 最近读数
explain-meter-window = 上一时段
explain-meter-day = 24 小时
explain-meter-coverage = 覆盖率
explain-meter-state = 状态
explain-meter-fine = 正常
explain-meter-out = 未投用
explain-meter-unread = 无法读取：{ $reason }
explain-meter-holds = 拉低覆盖率
explain-amount-energy = { $amount } kWh
explain-amount-water = { $amount } L
explain-amount-carbon = { $amount } kg
explain-fault-absent = 无读数
explain-fault-silent = 已 { $minutes } 分钟无读数
explain-fault-gaps = 覆盖 { $percent } %
explain-fault-stuck = 停走 { $minutes } 分钟
explain-fault-resets = 归零或倒退 { $times } 次
explain-fault-spikes = { $readings } 个读数超出任何可能负载
explain-position-ups = UPS
explain-position-pdu = PDU
explain-position-rack = 机柜

explain-model = 非 IT 能耗 = { $fixed } kW + (m · IT)；每增加 1 kWh IT 用电，总用电增加 1 + m = { $ratio } kWh（{ $low } 至 { $high }，r² { $squared }，{ $days } 天）
explain-advice-helps = 有帮助：这高于目标值 { $target } 所允许的，每推迟 1 kWh 可使全年超出量减少 { $saved } kWh
explain-advice-raises = 会使 PUE 升高：目标值 { $target } 所允许的更多，每推迟 1 kWh 会使全年超出量增加 { $lost } kWh
explain-advice-no-model = 尚不可知：模型至少需要 14 天 IT 负载有变化的计量
explain-advice-few-days = 尚不可知：至少需要 30 天方可据以处置
explain-advice-wide = 尚不可知：置信区间下限低于目标值 { $target }
explain-advice-loose = 尚不可知：模型解释力不足，r² 须达到 0.5
explain-advice-meanwhile = IT 负载减少十分之一时，比值本身将由 { $before } 变为 { $after }

explain-mode-observe = 仅观察
explain-mode-enforce = 处置
explain-enforcement = { $state }，始于 { $since }
explain-enforcement-why = 模式 { $mode }，措施 { $actions }：{ $reason }
explain-enforcement-maintenance = 维护至 { $until }：{ $reason }
explain-engaged = { $action }，始于 { $since }：{ $holds }
explain-next-step = 下一步最早于 { $at }
explain-holds-growth = 拒绝要求在此运行的新增负载
explain-holds-batch = 暂缓 { $objects } 个对象，并在创建时暂缓可推迟的 Job
explain-holds-nodes = 标记 { $objects } 个 Node

explain-condition = 状况
explain-condition-status = 值
explain-condition-reason = 原因
explain-condition-since = 始于
explain-condition-means = 含义

explain-way-windows = 运行：再连续 { $windows } 个时段不高于 { $level } 即解除，最早于 { $at }
explain-way-readings = 运行：需要一个有效时段；请恢复 PUE 所需各计量表的读数
explain-way-readings-meter = 运行：需要一个有效时段；请检查计量表 { $meter }
explain-way-load = 负载：将 IT 负载由 { $now } kW 提高到 { $needed } kW，或降低空载能耗
explain-way-overhead = 全年：到 { $until } 非 IT 能耗减少 { $total } kWh，即每天减少 { $daily } kWh，使余下时间保持 { $pue }
explain-way-overhead-none = 全年：年度目标已无法达到，即使到 { $until } 不再有任何非 IT 能耗（超出 { $total } kWh）
explain-way-on-target = 年度：若今后每天恰好达到目标值，统计期将于 { $day } 恢复达标
explain-way-on-target-never = 年度：恰好保持目标值，一年之内也不能恢复达标
explain-way-keep = 年度：{ $days } 天保持 PUE { $pue }，统计期将于 { $until } 前恢复达标
explain-way-coverage =
    { $days ->
        [0] 年度：恢复 { $months } 的读数
       *[other] 年度：还须有 { $days } 天计入；未计入的日期见上
    }
explain-way-wait = 年度：只待时日；若不缺一天，{ $until } 之后即可判定
explain-way-none = 没有问题
explain-way-unknown = 上述状况说明下一步该做什么
explain-imported = 其中 { $days } 天由人工补录，{ $corrected } 天替换了原有数据
explain-head-contested = 与其他管理者的争用
explain-contested = { $object }：{ $manager } 把{ $action }设置的 { $fields } 改了回去；至今已重新设置 { $rounds } 次
explain-contested-left = { $object }：每次{ $action }设置 { $fields }，{ $manager } 都会改回；重新设置 { $rounds } 次后，自 { $since } 起不再处置，每小时再试一次
explain-contested-end = 结束办法（{ $advice }）：
