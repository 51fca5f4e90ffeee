//! Choosing the controls that apply and preparing them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde_json::Value as Json;

use super::subject::{POD_KINDS, kind_key};
use crate::{
    cel::{self, Expr, Names, Root, Step, Uses, uses},
    pack::{Aspect, Clause, Control, Level, Pack, PackFault, Path, Reach, Requirement},
};

/// Values of parameters by name, as a baseline gives them.
pub type Parameters = BTreeMap<String, Json>;

/// Which pack at which level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The name of the pack.
    pub pack: String,
    /// The level.
    pub level: Level,
    /// The levels of the aspects S, A and G where a profile such as S3A2G3 chooses them one by one.
    pub profile: Option<[Level; 3]>,
    /// The parts beside `General`: `Cloud`, `IoT`.
    pub parts: Vec<String>,
}

impl Selection {
    /// A pack at a level, all of its parts.
    pub fn new(pack: &str, level: &str) -> Self {
        Self {
            pack: pack.to_owned(),
            level: Level(level.to_owned()),
            profile: None,
            parts: vec!["Cloud".to_owned(), "IoT".to_owned()],
        }
    }

    /// The level at which a requirement is asked for.
    pub fn level_of(&self, requirement: &Requirement) -> &Level {
        match (&self.profile, requirement.aspect) {
            (Some([s, ..]), Aspect::S) => s,
            (Some([_, a, _]), Aspect::A) => a,
            (Some([.., g]), Aspect::G) => g,
            (None, _) => &self.level,
        }
    }

    /// The clause of a requirement, `None` when it is not asked for.
    pub fn clause<'r>(&self, requirement: &'r Requirement) -> Option<&'r Clause> {
        if requirement.part != "General" && !self.parts.contains(&requirement.part) {
            return None;
        }
        requirement.levels.get(self.level_of(requirement))
    }
}

/// A pack and the requirements that are asked for.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The pack.
    pub pack: Arc<Pack>,
    /// At which level.
    pub selection: Selection,
    /// The requirements by their place in the pack, each with its clause.
    pub requirements: Vec<(usize, Clause)>,
}

/// A control that applies.
#[derive(Debug)]
pub struct Active {
    /// Its pack, by its place in [`Compiled::packs`].
    pub pack: usize,
    /// The control.
    pub control: Control,
    /// The clauses that it is evidence for, each with the id of its requirement.
    pub clauses: Vec<(String, Clause)>,
    pub(super) check: Check,
}

/// A control's expressions, compiled.
#[derive(Debug)]
pub(super) struct Check {
    pub condition: Option<Expr>,
    pub paths: Vec<Path>,
    pub expression: Expr,
    pub message: Expr,
    pub known: Option<Expr>,
    pub related: Vec<(String, Reach)>,
    pub reads_namespace: bool,
    pub reads_clock: bool,
    pub field: Option<Path>,
}

impl Check {
    /// Whether the object alone decides, once and for all.
    pub(super) fn alone(&self) -> bool {
        self.related.is_empty() && !self.reads_namespace && !self.reads_clock
    }
}

/// What a variable stands for.
#[derive(Debug)]
pub(super) enum Variable {
    PodSpec,
    PodMetadata,
    Containers,
    Constant(Json),
    Expression(Expr),
}

/// The names of the variables that every pack has for Pods.
pub(crate) const POD_VARIABLES: [&str; 3] = ["podSpec", "podMetadata", "containers"];

/// Packs at their levels, ready to judge.
#[derive(Debug)]
pub struct Compiled {
    /// The packs that were chosen.
    pub packs: Vec<Chosen>,
    /// The controls that apply, by pack and id.
    pub controls: Vec<Active>,
    pub(super) variables: Vec<Variable>,
    /// The controls of each kind, those that need related objects apart.
    pub(super) direct: HashMap<String, Vec<usize>>,
    pub(super) later: HashMap<String, Vec<usize>>,
    pub(super) cluster: Vec<usize>,
    /// What is kept of an object of a kind until its related objects are known.
    pub(super) subjects: HashMap<String, Uses>,
    /// What is kept of an object of a kind because other objects' verdicts depend on it.
    pub(super) related: HashMap<String, Related>,
}

/// What is kept of the objects of a kind for the verdicts of others, by where those look from.
#[derive(Debug, Default)]
pub(super) struct Related {
    /// For controls that look into a namespace.
    pub near: Option<Uses>,
    /// For controls that look everywhere.
    pub far: Option<Uses>,
    /// For `namespaceObject`.
    pub own: Option<Uses>,
}

/// Prepares packs at levels. A control that cannot be compiled is left out and told; what it is evidence for is then unknown.
pub fn compile(
    packs: &[Arc<Pack>],
    selections: &[Selection],
    parameters: &Parameters,
) -> (Compiled, Vec<PackFault>) {
    let mut faults = Vec::new();
    let mut compiled = Compiled {
        packs: Vec::new(),
        controls: Vec::new(),
        variables: vec![Variable::PodSpec, Variable::PodMetadata, Variable::Containers],
        direct: HashMap::new(),
        later: HashMap::new(),
        cluster: Vec::new(),
        subjects: HashMap::new(),
        related: HashMap::new(),
    };
    let mut constants: BTreeMap<String, (usize, Json)> = BTreeMap::new();
    let mut ids = HashSet::new();
    for selection in selections {
        let Some(pack) = packs.iter().find(|pack| pack.about.name == selection.pack) else {
            faults.push(PackFault::new(
                &selection.pack,
                None,
                format!("there is no pack `{}`", selection.pack),
            ));
            continue;
        };
        if !pack.about.levels.contains(&selection.level.0) {
            let levels = pack.about.levels.join(", ");
            faults.push(PackFault::new(
                &selection.pack,
                None,
                format!(
                    "the pack {} has no level `{}`, its levels are {levels}",
                    selection.pack, selection.level.0
                ),
            ));
            continue;
        }
        let requirements: Vec<(usize, Clause)> = pack
            .requirements
            .iter()
            .enumerate()
            .filter_map(|(place, requirement)| Some((place, selection.clause(requirement)?.clone())))
            .collect();
        let applying: Vec<(&Control, Vec<(String, Clause)>)> = pack
            .controls
            .iter()
            .filter_map(|control| {
                let clauses: Vec<_> = requirements
                    .iter()
                    .filter_map(|(place, clause)| Some((pack.requirements.get(*place)?, clause)))
                    .filter(|(requirement, _)| control.requirements.contains(&requirement.id))
                    .filter(|(requirement, _)| {
                        control.levels.is_empty() || control.levels.contains(selection.level_of(requirement))
                    })
                    .map(|(requirement, clause)| (requirement.id.clone(), clause.clone()))
                    .collect();
                (!clauses.is_empty()).then_some((control, clauses))
            })
            .collect();
        let replaced: HashSet<&str> =
            applying.iter().flat_map(|(control, _)| control.replaces.iter().map(String::as_str)).collect();
        let place = compiled.packs.len();
        compiled.packs.push(Chosen { pack: Arc::clone(pack), selection: selection.clone(), requirements });
        // Shared sub-expressions of this pack; a later one may use the earlier ones.
        let mut names: HashMap<String, usize> =
            POD_VARIABLES.iter().enumerate().map(|(place, name)| ((*name).to_owned(), place)).collect();
        for (name, parameter) in applying.iter().flat_map(|(control, _)| &control.parameters) {
            let value = match parameters.get(name) {
                Some(value) => value.clone(),
                None => parameter.default_at(&selection.level),
            };
            if !parameter.kind.takes(&value) {
                faults.push(PackFault::new(
                    &selection.pack,
                    None,
                    format!("the parameter {name} is {value}, which is no {:?}", parameter.kind),
                ));
                continue;
            }
            let known = constants.entry(name.clone()).or_insert_with(|| {
                compiled.variables.push(Variable::Constant(value.clone()));
                (compiled.variables.len() - 1, value.clone())
            });
            if known.1 != value {
                faults.push(PackFault::new(
                    &selection.pack,
                    None,
                    format!("two controls declare the parameter {name} with different defaults"),
                ));
            }
            names.insert(name.clone(), known.0);
        }
        for variable in &pack.about.variables {
            let scope = Scope { variables: &names, related: &[], object: true, item: false, around: false };
            match cel::compile(&variable.expression, &scope) {
                Ok(expr) => {
                    compiled.variables.push(Variable::Expression(expr));
                    names.insert(variable.name.clone(), compiled.variables.len() - 1);
                }
                // A control that uses a variable of a parameter that is not there at this level does not apply either.
                Err(cel::CelError::Name(_)) => {}
                Err(error) => faults.push(PackFault::new(
                    &pack.about.source.file,
                    pack.about.source.line("variables"),
                    format!("variable {}: {error}", variable.name),
                )),
            }
        }
        for (control, clauses) in applying {
            if replaced.contains(control.id.as_str()) {
                continue;
            }
            if !ids.insert(control.id.clone()) {
                faults.push(PackFault::new(
                    &control.source.file,
                    control.source.line("id"),
                    format!("another pack has a control called {} too", control.id),
                ));
                continue;
            }
            match check(control, &names) {
                Ok(check) => {
                    let mut control = control.clone();
                    // Admission policies have the default in their text.
                    for parameter in control.parameters.values_mut() {
                        parameter.default = parameter.default_at(&selection.level);
                    }
                    compiled.add(Active { pack: place, control, clauses, check });
                }
                Err((key, error)) => faults.push(PackFault::new(
                    &control.source.file,
                    control.source.line(key),
                    format!("{key}: {error}"),
                )),
            }
        }
    }
    faults.sort();
    faults.dedup();
    (compiled, faults)
}

struct Scope<'n> {
    variables: &'n HashMap<String, usize>,
    related: &'n [crate::pack::Related],
    object: bool,
    item: bool,
    around: bool,
}

impl Names for Scope<'_> {
    fn variable(&self, name: &str) -> Option<Root> {
        self.variables.get(name).copied().map(Root::Variable)
    }

    fn related(&self, name: &str) -> Option<Root> {
        self.related.iter().position(|related| related.name == name).map(Root::Related)
    }

    fn object(&self) -> bool {
        self.object
    }

    fn item(&self) -> bool {
        self.item
    }

    fn around(&self) -> bool {
        self.around
    }
}

fn check(
    control: &Control,
    variables: &HashMap<String, usize>,
) -> Result<Check, (&'static str, cel::CelError)> {
    let paths: Vec<Path> = control.paths().into_iter().filter_map(|path| Path::parse(path).ok()).collect();
    let whole = Scope {
        variables,
        related: &control.related,
        object: !control.matches.cluster,
        item: false,
        around: true,
    };
    let item = Scope { item: !paths.is_empty(), ..whole };
    let condition = control
        .condition
        .as_deref()
        .map(|text| cel::compile(text, &whole))
        .transpose()
        .map_err(|error| ("where", error))?;
    let known = control
        .known
        .as_deref()
        .map(|text| cel::compile(text, &whole))
        .transpose()
        .map_err(|error| ("known", error))?;
    let expression = cel::compile(&control.expression, &item).map_err(|error| ("expression", error))?;
    let message = cel::compile(&control.message, &item).map_err(|error| ("message", error))?;
    let all =
        || [Some(&expression), Some(&message), condition.as_ref(), known.as_ref()].into_iter().flatten();
    let reads = |root: Root| all().any(|expr| uses(expr).contains_key(&root));
    let (reads_namespace, reads_clock) = (reads(Root::NamespaceObject), reads(Root::Now));
    Ok(Check {
        related: control.related.iter().map(|related| (related.kind.clone(), related.reach)).collect(),
        field: control.field.as_deref().and_then(|path| Path::parse(path).ok()),
        condition,
        paths,
        expression,
        message,
        known,
        reads_namespace,
        reads_clock,
    })
}

impl Compiled {
    fn add(&mut self, active: Active) {
        let place = self.controls.len();
        let check = &active.check;
        let kinds: Vec<String> = if active.control.matches.pods {
            POD_KINDS.iter().map(|(kind, _)| (*kind).to_owned()).collect()
        } else {
            active.control.matches.kinds.clone()
        };
        for kind in &kinds {
            let list = if check.alone() { &mut self.direct } else { &mut self.later };
            list.entry(kind.clone()).or_default().push(place);
        }
        if active.control.matches.cluster {
            self.cluster.push(place);
        }
        let read = self.reads(check);
        if !check.alone() {
            for kind in &kinds {
                let uses = self.reads_of(check, kind);
                self.subjects.entry(kind.clone()).or_default().merge(&uses);
            }
        }
        for ((kind, reach), uses) in check.related.iter().zip(read.related) {
            let kept = self.related.entry(kind.clone()).or_default();
            let here = match reach {
                Reach::Namespace => &mut kept.near,
                Reach::Cluster => &mut kept.far,
            };
            here.get_or_insert_default().merge(&uses);
        }
        if check.reads_namespace {
            let kept = self.related.entry("Namespace".to_owned()).or_default();
            kept.own.get_or_insert_default().merge(&read.namespace);
        }
        self.controls.push(active);
    }

    /// What a control reads of an object of a kind.
    pub(super) fn reads_of(&self, check: &Check, kind: &str) -> Uses {
        let read = self.reads(check);
        let mut uses = read.object;
        let prefix =
            POD_KINDS.iter().find(|(pod, _)| *pod == kind).map(|(_, prefix)| *prefix).unwrap_or_default();
        uses.at(&steps(prefix)).merge(&read.pod);
        uses
    }

    /// What a control reads of each of its related kinds, and of the object's Namespace.
    pub(super) fn reads_around(&self, check: &Check) -> (Vec<Uses>, Uses) {
        let reads = self.reads(check);
        (reads.related, reads.namespace)
    }

    /// Everything that a control reads, by where it lies.
    fn reads(&self, check: &Check) -> Reads {
        let mut reads = Reads { related: vec![Uses::default(); check.related.len()], ..Reads::default() };
        let mut item = Uses::default();
        let exprs =
            [Some(&check.expression), Some(&check.message), check.condition.as_ref(), check.known.as_ref()];
        for expr in exprs.into_iter().flatten() {
            self.follow(expr, &mut reads, &mut item);
        }
        if let Some(field) = &check.field {
            let below = if check.paths.is_empty() { &mut reads.field } else { &mut item };
            below.at(&field.steps()).whole = true;
        }
        // An item, and what is read of it, lies where its paths lead.
        for path in &check.paths {
            reads.field.at(&path.steps()).merge(&item);
        }
        let below = std::mem::take(&mut reads.field);
        // Paths of a pods control are those of a Pod; the others' are the object's.
        reads.pod.merge(&below);
        reads.object.merge(&below);
        reads
    }

    fn follow(&self, expr: &Expr, reads: &mut Reads, item: &mut Uses) {
        for (root, uses) in uses(expr) {
            match root {
                Root::Object => reads.object.merge(&uses),
                Root::NamespaceObject => reads.namespace.merge(&uses),
                Root::Item => item.merge(&uses),
                Root::Now => {}
                Root::Related(place) => {
                    if let Some(below) = reads.related.get_mut(place) {
                        match uses.items {
                            Some(items) if !uses.whole => below.merge(&items),
                            // The list itself, such as its size: that the objects are there is enough.
                            _ => below.merge(&uses.items.map(|items| *items).unwrap_or_default()),
                        }
                    }
                }
                Root::Variable(place) => match self.variables.get(place) {
                    Some(Variable::PodSpec) => reads.pod.at(&steps("spec")).merge(&uses),
                    Some(Variable::PodMetadata) => reads.pod.at(&steps("metadata")).merge(&uses),
                    Some(Variable::Containers) => {
                        for list in ["spec.containers", "spec.initContainers", "spec.ephemeralContainers"] {
                            reads.pod.at(&steps(list)).merge(&uses);
                        }
                    }
                    Some(Variable::Expression(expr)) => self.follow(expr, reads, item),
                    Some(Variable::Constant(_)) | None => {}
                },
            }
        }
    }

    /// The kinds that some verdict depends on beside the objects' own: whoever feeds a [`super::Session`] from a cluster must read these too.
    pub fn related_kinds(&self) -> impl Iterator<Item = &str> {
        self.related.keys().map(String::as_str)
    }

    /// The kinds that are judged.
    pub fn judged_kinds(&self) -> impl Iterator<Item = &str> {
        let kinds: HashSet<&str> = self.direct.keys().chain(self.later.keys()).map(String::as_str).collect();
        kinds.into_iter()
    }

    /// Every kind that is looked at.
    pub fn kinds(&self) -> BTreeSet<String> {
        self.judged_kinds().chain(self.related_kinds()).map(str::to_owned).collect()
    }

    /// Whether an object of the kind is of any use.
    pub fn wants(&self, api_version: &str, kind: &str) -> bool {
        let key = kind_key(api_version, kind);
        self.direct.contains_key(&key) || self.later.contains_key(&key) || self.related.contains_key(&key)
    }
}

#[derive(Debug, Default)]
struct Reads {
    object: Uses,
    pod: Uses,
    namespace: Uses,
    related: Vec<Uses>,
    field: Uses,
}

fn steps(path: &str) -> Vec<Step> {
    path.split('.').filter(|step| !step.is_empty()).map(|step| Step::Field(step.to_owned())).collect()
}

impl Path {
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.0
            .iter()
            .map(|segment| match segment {
                crate::pack::Segment::Field(name) => Step::Field(name.clone()),
                crate::pack::Segment::Every => Step::Items,
            })
            .collect()
    }
}
