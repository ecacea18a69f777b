//! Carries out the acts of a stage on this machine.
//!
//! Invariant: an image is what the manifest's environment runs: built for its platform, known in
//! the registry by its own digest, and pushed once. Refuses: a program of another processor.

use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use neargate_core::model::{DeploymentTarget, Manifest};
use neargate_far::pipeline::stage::{
    From, PipelineStage, Processor, StageAction, processor, runs_on,
};
use neargate_far::pipeline::{Registry, is_account};

use super::machine::{ask, aws, command, containers, feed, run, run_neargate, scanner, succeeds};
use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::output;

/// Runs acts in one environment.
pub(crate) struct StageRunner<'a> {
    pub(super) flags: &'a GlobalFlags,
    pub(super) manifest: &'a Manifest,
    /// Path of the manifest.
    path: &'a Path,
    /// Folder of the manifest.
    pub(super) folder: PathBuf,
    /// Where the contexts of images from artifacts are made.
    contexts: PathBuf,
    /// This very program.
    own: PathBuf,
}

impl<'a> StageRunner<'a> {
    /// For the environment of a manifest.
    pub(crate) fn new(
        flags: &'a GlobalFlags,
        path: &'a Path,
        manifest: &'a Manifest,
    ) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure::of("cannot tell where neargate is", &error))?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self {
            flags,
            manifest,
            path,
            contexts: std::env::temp_dir().join(format!("neargate-images-{}", std::process::id())),
            folder,
            own,
        })
    }

    /// Carries out one act of a stage.
    pub(crate) fn run(&self, stage: PipelineStage, act: &StageAction) -> Result<(), Failure> {
        let stage = stage.name();
        match act {
            StageAction::Shell { script, variables } => self.shell(stage, script, variables),
            StageAction::Neargate(arguments) => {
                output::progress(stage, &format!("neargate {}", arguments.join(" ")));
                run_neargate(self.neargate(arguments))
            }
            StageAction::Image { name, from } => self.image(stage, name, from),
            StageAction::Scan { image } => {
                let (program, arguments) = scanner()?;
                output::progress(stage, &format!("{program} looks at {image}"));
                let mut scan = command(program, arguments, &self.folder);
                scan.arg(image);
                run(scan)
            }
            StageAction::Push { service, name } => self.push(stage, service, name),
            StageAction::Release { service, name } => {
                let reference = self.reference(&self.registry()?, service, name)?;
                output::progress(stage, &format!("neargate deploy {service}: {reference}"));
                let words = ["deploy", service, "--image", &reference];
                run_neargate(self.neargate(&words.map(str::to_owned)))
            }
        }
    }

    /// This program, on the same manifest and in the same environment.
    fn neargate(&self, arguments: &[String]) -> Command {
        let mut command = command(&self.own.to_string_lossy(), &[], &self.folder);
        command.args(arguments).arg("--file").arg(self.path);
        command.args(["--env", self.flags.env()]);
        if let Some(state) = &self.flags.state_dir {
            // The command runs in the manifest's folder, and this path is from here.
            command.arg("--state-dir");
            command.arg(std::path::absolute(state).unwrap_or_else(|_| state.clone()));
        }
        for set in &self.flags.overrides {
            command.args(["--set", set]);
        }
        command
    }

    pub(super) fn shell(
        &self,
        about: &str,
        script: &str,
        variables: &[(String, String)],
    ) -> Result<(), Failure> {
        output::progress(about, script);
        let mut shell = command("sh", &["-c", script], &self.folder);
        for (name, value) in variables {
            shell.env(name, value);
        }
        run(shell)
    }

    /// Builds an image; `about` is what the progress is told of.
    pub(super) fn image(&self, about: &str, name: &str, from: &From) -> Result<(), Failure> {
        let program = containers()?;
        let platform = processor(self.manifest).platform();
        output::progress(about, &format!("builds {name} for {platform}"));
        let build = ["build", "--platform", platform, "--tag", name, "--file"];
        match from {
            From::Dockerfile(path) => {
                let mut build = command(program, &build, &self.folder);
                build.arg(path).arg(".");
                run(build)
            }
            From::Artifact {
                artifact,
                dockerfile,
            } => {
                let built = self
                    .context(name, artifact, dockerfile)
                    .and_then(|context| {
                        let mut build = command(program, &build, &context);
                        build.args(["Dockerfile", "."]);
                        run(build)
                    });
                // What is left would only take room; the next build makes it anew.
                let _ = std::fs::remove_dir_all(&self.contexts);
                built
            }
        }
    }

    /// A folder with the artifact and its Dockerfile, and nothing else that a build could take.
    fn context(&self, name: &str, artifact: &str, dockerfile: &str) -> Result<PathBuf, Failure> {
        let source = self.folder.join(artifact);
        let missing = |error: std::io::Error| {
            Failure::Failed(format!("cannot read the artifact `{artifact}`: {error}"))
        };
        let there = std::fs::metadata(&source).map_err(missing)?;
        if there.is_file() {
            for_tasks(artifact, &source, processor(self.manifest)).map_err(missing)??;
        }
        let failed = |error: std::io::Error| Failure::of("cannot prepare an image", &error);
        // A folder of this name that others made is refused, and nobody else looks into it.
        let mut private = std::fs::DirBuilder::new();
        private.mode(0o700).create(&self.contexts).map_err(failed)?;
        let context = self.contexts.join(name.replace(['/', ':'], "-"));
        let inside = context.join("artifact");
        std::fs::create_dir_all(&inside).map_err(failed)?;
        std::fs::write(context.join("Dockerfile"), dockerfile).map_err(failed)?;
        // `-p` keeps times and modes, so an unchanged artifact makes the same layer.
        let mut copy = command("cp", &["-R", "-H", "-p"], &self.folder);
        if there.is_dir() {
            copy.arg(source.join("."));
        } else {
            copy.arg(&source);
        }
        copy.arg(&inside);
        run(copy)?;
        Ok(context)
    }

    fn push(&self, stage: &str, service: &str, name: &str) -> Result<(), Failure> {
        let aws = aws()?;
        let registry = self.registry()?;
        let reference = self.reference(&registry, service, name)?;
        let (repository, tag) = repository(&reference, &registry.host);
        let known = [
            "ecr",
            "describe-images",
            "--region",
            &registry.region,
            "--repository-name",
            repository,
            "--image-ids",
            &format!("imageTag={tag}"),
        ];
        if succeeds(command(aws, &known, &self.folder)) {
            output::progress(stage, &format!("{reference} is there already"));
            return Ok(());
        }
        self.send(stage, name, &reference, &registry)
    }

    /// Signs in to a registry and pushes a local image under a name there. The password goes
    /// from one program to the other, and is in no argument.
    pub(super) fn send(
        &self,
        about: &str,
        name: &str,
        reference: &str,
        registry: &Registry,
    ) -> Result<(), Failure> {
        let program = containers()?;
        let password = ["ecr", "get-login-password", "--region", &registry.region];
        let password = ask(command(aws()?, &password, &self.folder))?;
        let login = ["login", "--username", "AWS", "--password-stdin"];
        let mut login = command(program, &login, &self.folder);
        login.arg(&registry.host);
        feed(login, &password)?;
        run(command(program, &["tag", name, reference], &self.folder))?;
        output::progress(about, reference);
        run(command(program, &["push", reference], &self.folder))
    }

    /// The registry of the account that the credentials of this machine belong to.
    fn registry(&self) -> Result<Registry, Failure> {
        let region = self.region()?;
        let who = [
            "sts",
            "get-caller-identity",
            "--query",
            "Account",
            "--output",
            "text",
        ];
        // Without credentials nothing can be done here, and that is the machine's matter.
        let account = ask(command(aws()?, &who, &self.folder))
            .map_err(|failure| Failure::Environment(failure.to_string()))?;
        if !is_account(&account) {
            let text = format!("`aws sts get-caller-identity` names no account: `{account}`");
            return Err(Failure::Environment(text));
        }
        Ok(Registry::of(&account, region))
    }

    pub(super) fn region(&self) -> Result<&str, Failure> {
        match &self.manifest.target {
            DeploymentTarget::Aws { region } => Ok(region),
            DeploymentTarget::Near => Err(Failure::Usage("near has no registry".to_owned())),
        }
    }

    fn reference(&self, registry: &Registry, service: &str, name: &str) -> Result<String, Failure> {
        Ok(registry.reference(self.manifest, service, &self.image_id(name)?))
    }

    /// The digest of a local image's configuration.
    pub(super) fn image_id(&self, name: &str) -> Result<String, Failure> {
        let inspect = ["image", "inspect", "--format", "{{.Id}}", name];
        ask(command(containers()?, &inspect, &self.folder)).map_err(|failure| {
            Failure::Failed(format!(
                "there is no image {name}; run the stage build: {failure}"
            ))
        })
    }
}

/// Repository and tag of a reference.
fn repository<'a>(reference: &'a str, host: &str) -> (&'a str, &'a str) {
    let rest = reference.strip_prefix(host).unwrap_or(reference);
    let rest = rest.trim_start_matches('/');
    rest.rsplit_once(':').unwrap_or((rest, "latest"))
}

/// Whether a file can run in a task, as far as its head tells.
fn for_tasks(
    artifact: &str,
    file: &Path,
    processor: Processor,
) -> std::io::Result<Result<(), Failure>> {
    let mut head = Vec::new();
    std::fs::File::open(file)?.take(20).read_to_end(&mut head)?;
    let wanted = processor.name();
    Ok(runs_on(&head, processor).map_err(|other| {
        Failure::Failed(format!(
            "`{artifact}` is a program for {other}, and tasks run on {wanted}: build it on a \
             machine of that processor, as the workflow does, or with a compiler for it"
        ))
    }))
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn references_are_taken_apart() {
        let host = "1.dkr.ecr.eu-central-1.amazonaws.com";
        let reference = format!("{host}/notes-prod/api:0123");
        assert_eq!(repository(&reference, host), ("notes-prod/api", "0123"));
    }
}
