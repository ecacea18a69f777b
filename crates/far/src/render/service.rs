//! The calls of the modules of a service and of its jobs on a schedule.

use neargate_core::model::{Architecture, Balance, Route};

use super::hcl::{Block, HclValue, is, table, text, texts};
use super::platform::callers;
use super::{call, module, output};
use crate::stack::{
    ContainerHealthCheck, EcsService, EcsStrategy, ScheduledJob, SecretStore, Stack,
    TargetGroupHealthCheck, VariableValue, url_of,
};

/// Most percent of desired tasks that the module takes.
const MOST_PERCENT: u32 = 200;

pub(super) fn service(stack: &Stack, service: &EcsService) -> Block {
    let name = &service.name;
    let own = service.image.is_none();
    let routed = !service.routes.is_empty();
    let repository = is(format!("module.cluster.repository_arns[\"{name}\"]"));
    let repositories = if own { vec![repository] } else { Vec::new() };
    let capacity = if service.spot_percent > 0 {
        "cluster"
    } else {
        "fargate"
    };
    let discovery = (!service.callers.is_empty()).then(|| {
        table([
            ("namespace_id", is("module.cluster.namespace_id")),
            ("name", text(name)),
        ])
    });
    let keys = HclValue::List(vec![is("module.secrets.kms_key_arn")]);
    let customer = stack.key == neargate_core::model::EncryptionKey::Customer;
    let block = call(&module("service", name), "service")
        .with("name", is(format!("\"${{local.name}}-{name}\"")))
        .with("cluster_name", is("module.cluster.name"))
        .with("vpc_id", is("module.network.vpc_id"))
        .with("subnet_ids", is("module.network.private_subnet_ids"))
        .gap()
        .with("task", task(stack, service))
        .with("repository_arns", HclValue::List(repositories))
        .with_some("kms_key_arns", customer.then_some(keys))
        .with("capacity", text(capacity))
        .with_some("exec", stack.exec.then(|| is("true")))
        .with_some("discovery", discovery)
        .with_some("client_security_group_ids", callers(&service.callers))
        .gap();
    let block = if routed {
        routing(stack, service, block)
    } else {
        block
    };
    block
        .gap()
        .with("deployment", deployment(service))
        .with("scale", is(format!("var.services[\"{name}\"].scale")))
        .with("log_retention_days", is("var.log_retention_days"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

fn task(stack: &Stack, service: &EcsService) -> HclValue {
    let name = &service.name;
    let image = service.image.as_ref().map_or_else(
        || {
            is(format!(
                "\"${{module.cluster.repository_urls[\"{name}\"]}}:first\""
            ))
        },
        text,
    );
    let tuned = |key: &str| is(format!("var.services[\"{name}\"].{key}"));
    let mut task = vec![("image", image)];
    task.extend(
        service
            .command
            .as_ref()
            .map(|words| ("command", texts(words))),
    );
    task.extend(service.port.map(|port| ("port", is(port.to_string()))));
    // The agent of ECS Exec writes to the file system of the container.
    task.extend(stack.exec.then(|| ("read_only", is("false"))));
    task.extend([
        ("cpu", tuned("cpu")),
        ("memory", tuned("memory")),
        ("architecture", text(architecture(service))),
        ("environment", environment(service, |_, _| true)),
        ("secrets", secrets(stack, service)),
        ("stop_seconds", is(service.stop_seconds.to_string())),
    ]);
    task.extend(service.check.as_ref().map(|asked| ("check", check(asked))));
    table(task)
}

fn check(check: &ContainerHealthCheck) -> HclValue {
    table([
        ("command", texts(&check.command)),
        ("interval", is(check.interval.to_string())),
        ("timeout", is(check.timeout.to_string())),
        ("failures", is(check.failures.to_string())),
        ("start", is(check.start.to_string())),
    ])
}

/// The call of the module of a job on a schedule.
pub(super) fn job(job: &ScheduledJob) -> Block {
    let of = |key: &str| output("service", &job.service, key);
    call(&module("job", &job.name), "schedule")
        .with("name", is(format!("\"${{local.name}}-{}\"", job.name)))
        .with("expression", text(&job.schedule))
        .with("command", texts(&job.command))
        .gap()
        .with("cluster_arn", is("module.cluster.arn"))
        .with("family", of("family"))
        .with("container", of("container"))
        .with("execution_role_arn", of("execution_role_arn"))
        .with("task_role_arn", of("task_role_arn"))
        .with("subnet_ids", of("subnet_ids"))
        .with("security_group_id", of("security_group_id"))
        .with("tags", is("local.tags"))
}

/// The task definition's name of a processor.
pub(super) fn architecture(service: &EcsService) -> &'static str {
    match service.architecture {
        Architecture::Arm64 => "ARM64",
        Architecture::X86_64 => "X86_64",
    }
}

/// Variables that are no secrets.
pub(super) fn environment(
    service: &EcsService,
    wanted: fn(&str, &VariableValue) -> bool,
) -> HclValue {
    let settings = service.environment.iter();
    let settings = settings.filter(|(key, value)| wanted(key, value));
    table(settings.map(|(key, value)| (key.clone(), setting(value))))
}

/// Variables that hold secrets: where their values are.
pub(super) fn secrets(stack: &Stack, service: &EcsService) -> HclValue {
    let store = match stack.secret_store {
        SecretStore::SecretsManager => "secret_arns",
        SecretStore::Parameters => "parameter_arns",
    };
    // By the database's module: a task then waits until its URL is written.
    let place = |name: &String| match url_of(name) {
        Some(database) => output("database", database, "url_arn"),
        None => is(format!("module.secrets.{store}[\"{name}\"]")),
    };
    let secrets = service.secrets.iter();
    table(secrets.map(|(key, name)| (key.clone(), place(name))))
}

fn setting(setting: &VariableValue) -> HclValue {
    match setting {
        VariableValue::Plain(value) => text(value),
        VariableValue::CacheUrl(cache) => output("cache", cache, "url"),
        VariableValue::Peer(name, port) => {
            is(format!("\"http://{name}.${{local.name}}.internal:{port}\""))
        }
        VariableValue::Balancer => is("\"http://${module.balancer.dns_name}\""),
    }
}

fn routing(stack: &Stack, service: &EcsService, block: Block) -> Block {
    let balancing = match service.balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastOutstanding => "least_outstanding_requests",
        Balance::WeightedRandom => "weighted_random",
    };
    let shifting = service.release.strategy != EcsStrategy::Rolling;
    let test = table([("name", text("X-Neargate-Test")), ("value", text("green"))]);
    let seconds = |seconds: u64| is(seconds.to_string());
    let some = |value: u64| (value > 0).then(|| seconds(value));
    block
        .with("listener_arn", is("module.balancer.listener_arn"))
        .with(
            "balancer_security_group_id",
            is("module.balancer.security_group_id"),
        )
        .with("routes", routes(stack, service))
        .with_some("test_header", shifting.then_some(test))
        .with_some("health", service.health.as_ref().map(health))
        .with(
            "deregistration_delay_seconds",
            seconds(service.drain_seconds),
        )
        .with("balancing", text(balancing))
        .with_some("slow_start_seconds", some(service.slow_start_seconds))
        .with_some("stickiness_seconds", some(service.sticky_seconds))
        .with_some(
            "stickiness_cookie",
            service.sticky_cookie.as_ref().map(text),
        )
}

/// Routes with priorities 10, 20, 30, … over all services, so that there is room for test rules.
fn routes(stack: &Stack, service: &EcsService) -> HclValue {
    let behind = stack.services.iter().flat_map(|service| &service.routes);
    let mut order: Vec<u32> = behind.map(|route| route.priority).collect();
    order.sort_unstable();
    let rank = |route: &Route| {
        let before = order
            .iter()
            .take_while(|priority| **priority < route.priority);
        (before.count() + 1) * 10
    };
    let many = service.routes.len() > 1;
    table(service.routes.iter().enumerate().map(|(i, route)| {
        let key = match many {
            true => format!("{}-{}", service.name, i + 1),
            false => service.name.clone(),
        };
        (key, conditions(route, rank(route)))
    }))
}

fn conditions(route: &Route, priority: usize) -> HclValue {
    let mut all = vec![("priority", is(priority.to_string()))];
    let lists = [
        ("hosts", &route.host),
        ("paths", &route.path),
        ("methods", &route.method),
        ("sources", &route.source),
    ];
    for (key, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
        all.push((key, texts(values)));
    }
    if !route.header.is_empty() {
        let headers = route.header.iter();
        all.push((
            "headers",
            table(headers.map(|(name, any)| (name.clone(), texts(any)))),
        ));
    }
    if !route.query.is_empty() {
        let pair = |(key, value): &(Option<String>, String)| {
            let key = key.as_ref().map(|key| ("key", text(key)));
            table(key.into_iter().chain([("value", text(value))]))
        };
        all.push((
            "query",
            HclValue::List(route.query.iter().map(pair).collect()),
        ));
    }
    table(all)
}

fn health(health: &TargetGroupHealthCheck) -> HclValue {
    table([
        ("path", text(&health.path)),
        ("interval", is(health.interval.to_string())),
        ("timeout", is(health.timeout.to_string())),
        ("healthy", is(health.healthy.to_string())),
        ("unhealthy", is(health.unhealthy.to_string())),
        ("matcher", text(&health.matcher)),
        ("grace", is(health.grace.to_string())),
    ])
}

fn deployment(service: &EcsService) -> HclValue {
    let release = &service.release;
    let minutes = |key: &'static str, minutes: u64| (key, is(minutes.to_string()));
    let mut all = match release.strategy {
        // The driver moves the weights itself; ECS only replaces tasks.
        EcsStrategy::Rolling | EcsStrategy::Driven => vec![("strategy", text("ROLLING"))],
        EcsStrategy::BlueGreen { bake_minutes } => {
            vec![
                ("strategy", text("BLUE_GREEN")),
                minutes("bake_minutes", bake_minutes),
            ]
        }
        EcsStrategy::Linear {
            percent,
            step_minutes,
            bake_minutes,
        } => vec![
            ("strategy", text("LINEAR")),
            ("step_percent", is(percent.to_string())),
            minutes("step_bake_minutes", step_minutes),
            minutes("bake_minutes", bake_minutes),
        ],
        EcsStrategy::Canary {
            percent,
            bake_minutes,
        } => vec![
            ("strategy", text("CANARY")),
            ("canary_percent", is(percent.to_string())),
            minutes("canary_bake_minutes", bake_minutes),
        ],
    };
    all.push(("minimum_percent", is(release.minimum_percent.to_string())));
    let most = release.maximum_percent.min(MOST_PERCENT);
    all.push(("maximum_percent", is(most.to_string())));
    all.push(("breaker", is(release.breaker.to_string())));
    if !release.guards.is_empty() {
        let names = release.guards.iter();
        let names = names.map(|guard| is(format!("\"${{local.name}}-{guard}\"")));
        all.push(("alarm_names", HclValue::List(names.collect())));
    }
    table(all)
}
