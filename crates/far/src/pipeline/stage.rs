//! What each stage of a pipeline does in one environment, as acts that a runner carries out.
//!
//! Invariant: the workflows call these stages, so a laptop and a runner do the same. Pure: which
//! tools the machine has, what it built and whose account it is are for the runner to find out.

use neargate_core::model::{Architecture, DeploymentTarget, Manifest, Service, Workload};

use super::is_built;

/// The processor that tasks run on. Source: Amazon ECS Developer Guide, "Task definition
/// parameters for Fargate" (`runtimePlatform.cpuArchitecture`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    Arm64,
    X86_64,
}

impl Processor {
    /// As images name it. Source: OCI image specification, "Image Index" (`platform`).
    #[must_use]
    pub fn platform(self) -> &'static str {
        match self {
            Self::Arm64 => "linux/arm64",
            Self::X86_64 => "linux/amd64",
        }
    }

    /// ECS's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "ARM64",
            Self::X86_64 => "x86-64",
        }
    }
}

/// The processor of an environment's tasks.
#[must_use]
pub fn processor(manifest: &Manifest) -> Processor {
    match manifest.aws.architecture {
        Architecture::Arm64 => Processor::Arm64,
        Architecture::X86_64 => Processor::X86_64,
    }
}

/// A stage, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineStage {
    /// The manifest is right.
    Check,
    /// The app's own tests.
    Test,
    /// Artifacts and images.
    Build,
    /// Images are searched for known vulnerabilities.
    Scan,
    /// Images go to the registry.
    Push,
    /// Every service is released; migrations are its `before` jobs.
    Release,
    /// The running revisions are compared with the released ones.
    Verify,
}

impl PipelineStage {
    /// All of them in order.
    pub const ALL: [Self; 7] = [
        Self::Check,
        Self::Test,
        Self::Build,
        Self::Scan,
        Self::Push,
        Self::Release,
        Self::Verify,
    ];

    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Test => "test",
            Self::Build => "build",
            Self::Scan => "scan",
            Self::Push => "push",
            Self::Release => "release",
            Self::Verify => "verify",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageAction {
    /// `sh -c` in the manifest's folder, with these variables.
    Shell {
        /// Text of the script in the manifest.
        script: String,
        /// Names and values.
        variables: Vec<(String, String)>,
    },
    /// Neargate itself, in this environment.
    Neargate(Vec<String>),
    /// Build an image and give it this local name.
    Image {
        /// Local name, as [`built_name`] makes it.
        name: String,
        from: From,
    },
    /// Look for what is known to be wrong with an image: HIGH and CRITICAL fail.
    Scan {
        /// Its local name, or its reference.
        image: String,
    },
    /// Bring an image to the environment's registry.
    Push {
        service: String,
        /// Its local name.
        name: String,
    },
    /// Release a service with the image that was pushed.
    Release {
        service: String,
        /// The image's local name.
        name: String,
    },
}

/// Source of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A Dockerfile; its context is the manifest's folder.
    Dockerfile(String),
    /// An artifact laid on a base.
    Artifact {
        /// File or folder.
        artifact: String,
        /// The Dockerfile's text; the artifact is in `artifact/` of its context.
        dockerfile: String,
    },
}

/// Acts of a stage; the sentence says why there are none.
pub type StageActions = Result<Vec<StageAction>, &'static str>;

/// The local name of an image that the pipeline built. Its host is no registry anywhere, so it
/// is never pulled by mistake.
#[must_use]
pub fn built_name(app: &str, service: &str) -> String {
    format!("neargate.local/{app}/{service}:built")
}

/// The acts of a stage.
///
/// # Errors
/// No error, but nothing to do, and why.
pub fn acts(stage: PipelineStage, manifest: &Manifest) -> StageActions {
    let far = matches!(manifest.target, DeploymentTarget::Aws { .. });
    let acts = match stage {
        PipelineStage::Check => vec![StageAction::Neargate(vec!["check".into()])],
        PipelineStage::Test => {
            let test = manifest.pipeline.test.as_ref();
            let script = test.ok_or("the manifest has no `pipeline.test`")?.clone();
            vec![StageAction::Shell {
                script,
                variables: Vec::new(),
            }]
        }
        PipelineStage::Build => build(manifest, far),
        PipelineStage::Scan | PipelineStage::Push if !far => return Err("near runs no images"),
        PipelineStage::Scan => scan(manifest),
        PipelineStage::Push => push(manifest),
        PipelineStage::Release => release(manifest, far),
        PipelineStage::Verify if far => vec![neargate(&["drift"]), neargate(&["status"])],
        PipelineStage::Verify => vec![neargate(&["status"])],
    };
    match (acts.is_empty(), stage) {
        (false, _) => Ok(acts),
        (true, PipelineStage::Build) => Err("no service says how it is built"),
        (true, PipelineStage::Scan) => Err("no service has an image"),
        (true, _) => Err("no service has an image of its own"),
    }
}

fn neargate(arguments: &[&str]) -> StageAction {
    StageAction::Neargate(arguments.iter().map(|word| (*word).to_owned()).collect())
}

fn build(manifest: &Manifest, far: bool) -> Vec<StageAction> {
    let mut acts = Vec::new();
    for service in manifest.services.values() {
        if let Some(script) = &service.build {
            let act = StageAction::Shell {
                script: script.clone(),
                variables: Vec::new(),
            };
            // Several services of one build are built once.
            if !acts.contains(&act) {
                acts.push(act);
            }
        }
    }
    if far {
        let images = manifest.services.values();
        acts.extend(images.filter_map(|service| image(manifest, service)));
    }
    acts
}

fn image(manifest: &Manifest, service: &Service) -> Option<StageAction> {
    Some(StageAction::Image {
        name: built_name(&manifest.app, &service.name),
        from: image_of(manifest, service)?,
    })
}

/// Source of the image of a service; `None`: nothing says how it is built.
#[must_use]
pub fn image_of(manifest: &Manifest, service: &Service) -> Option<From> {
    match (&service.runs, &service.artifact) {
        (Workload::Image { dockerfile, .. }, _) => Some(From::Dockerfile(dockerfile.clone()?)),
        (Workload::Command(command), Some(artifact)) => Some(From::Artifact {
            artifact: artifact.clone(),
            dockerfile: dockerfile(&manifest.pipeline.base, command),
        }),
        _ => None,
    }
}

/// A task runs in its artifact, first on the PATH, and not as root: as near does it.
fn dockerfile(base: &str, command: &[String]) -> String {
    let command = serde_json::Value::from(command.to_vec());
    format!(
        "FROM {base}\nCOPY artifact/ /app/\nENV PATH=/app:$PATH\nWORKDIR /app\nUSER {USER}\nCMD {command}\n"
    )
}

/// Nobody's user and group in images that are made from an artifact.
const USER: &str = "65532:65532";

fn scan(manifest: &Manifest) -> Vec<StageAction> {
    let services = manifest.services.values();
    let images = services.filter_map(|service| match &service.runs {
        _ if is_built(service) => Some(built_name(&manifest.app, &service.name)),
        Workload::Image { image, .. } => image.clone(),
        _ => None,
    });
    images
        .map(|image| match &manifest.pipeline.scan {
            Some(script) => StageAction::Shell {
                script: script.clone(),
                variables: vec![("IMAGE".to_owned(), image)],
            },
            None => StageAction::Scan { image },
        })
        .collect()
}

fn push(manifest: &Manifest) -> Vec<StageAction> {
    let built = manifest.services.values().filter(|s| is_built(s));
    built
        .map(|service| StageAction::Push {
            service: service.name.clone(),
            name: built_name(&manifest.app, &service.name),
        })
        .collect()
}

/// Services are released first, files after them: a new front end finds the API that it asks for.
fn release(manifest: &Manifest, far: bool) -> Vec<StageAction> {
    let mut services: Vec<&Service> = manifest.services.values().collect();
    services.sort_by_key(|service| matches!(service.runs, Workload::Static(_)));
    let each = services.into_iter().map(|service| {
        if far && is_built(service) {
            return StageAction::Release {
                service: service.name.clone(),
                name: built_name(&manifest.app, &service.name),
            };
        }
        let mut words = vec!["deploy", service.name.as_str()];
        // Near snapshots what the build stage has made.
        words.extend((!far).then_some("--no-build"));
        neargate(&words)
    });
    each.collect()
}

/// Whether a program can run on a processor, from its first 20 bytes; what it is for instead. A
/// file that is no program (a script, an archive) can. Source: System V ABI, "ELF header"
/// (`e_machine` at byte 18; 62 is x86-64, 183 is AArch64).
///
/// # Errors
/// The processor that the program is made for.
pub fn runs_on(head: &[u8], processor: Processor) -> Result<(), &'static str> {
    let (Some(magic), Some(machine)) = (head.get(..4), head.get(18..20)) else {
        return Ok(());
    };
    let of = match machine {
        _ if magic != b"\x7fELF" => return Ok(()),
        [183, 0] => Processor::Arm64,
        [62, 0] => Processor::X86_64,
        _ => return Err("another processor"),
    };
    if of == processor {
        Ok(())
    } else {
        Err(of.name())
    }
}
