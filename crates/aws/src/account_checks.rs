//! What `verify` asks of the account beside the driver's own calls: subnets, roles, a quota.
//!
//! AWS's command line asks: the SDK crates of EC2, IAM and Service Quotas are heavier than all that
//! the driver has together, for a look before a release. Invariant: only an answer makes something
//! missing; what may not be asked, or cannot be, is [`FindingState::Unknown`] and says why.

use neargate_core::model::{Manifest, Workload};
use serde_json::Value;

use super::terraform_outputs::{ServiceFacts, TerraformOutputs};
use neargate_core::preflight_finding::{FindingState, PreflightFinding};

/// "Fargate On-Demand vCPU resource count". Source: AWS General Reference, Amazon ECS quotas.
const VCPUS: &str = "L-3032A538";
/// The old and the new tasks of a release, side by side.
const SIDES: u32 = 2;
/// `size.cpu` of one vCPU.
const CPU: u32 = 1024;

/// One question about a service, or, without one, about the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountQuestion {
    service: String,
    about: QuestionSubject,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum QuestionSubject {
    /// Ids, and how many addresses a release may need.
    Subnets(Vec<String>, u64),
    /// A role: its purpose and its name.
    Role(&'static str, String),
    /// vCPUs, in 1024ths, that a release needs at the fewest and at the most tasks.
    Quota(u32, u32),
}

/// Everything to ask, for an environment.
#[must_use]
pub fn questions(manifest: &Manifest, facts: &TerraformOutputs) -> Vec<AccountQuestion> {
    let mut all = Vec::new();
    let (mut fewest, mut most) = (0, 0);
    for (name, service) in &manifest.services {
        let (false, Some(facts)) = (
            matches!(service.runs, Workload::Static(_)),
            facts.services.get(name),
        ) else {
            continue;
        };
        let tasks = |count: u32| count.saturating_mul(SIDES);
        let scale = &service.scale;
        fewest += tasks(scale.min).saturating_mul(service.size.cpu);
        most += tasks(scale.max).saturating_mul(service.size.cpu);
        all.extend(of_service(name, facts, u64::from(tasks(scale.max))));
    }
    all.push(AccountQuestion {
        service: String::new(),
        about: QuestionSubject::Quota(fewest, most),
    });
    all
}

fn of_service(name: &str, facts: &ServiceFacts, addresses: u64) -> [AccountQuestion; 3] {
    let role = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    [
        QuestionSubject::Subnets(facts.subnets.clone(), addresses),
        QuestionSubject::Role("execution role", role(&facts.execution_role)),
        QuestionSubject::Role("task role", role(&facts.task_role)),
    ]
    .map(|about| AccountQuestion {
        service: name.to_owned(),
        about,
    })
}

impl AccountQuestion {
    /// Arguments of `aws`, without region and output.
    #[must_use]
    pub fn arguments(&self) -> Vec<&str> {
        match &self.about {
            QuestionSubject::Subnets(ids, _) => {
                let mut all = vec!["ec2", "describe-subnets", "--subnet-ids"];
                all.extend(ids.iter().map(String::as_str));
                all
            }
            QuestionSubject::Role(_, name) => vec!["iam", "get-role", "--role-name", name],
            QuestionSubject::Quota(..) => vec![
                "service-quotas",
                "get-service-quota",
                "--service-code",
                "fargate",
                "--quota-code",
                VCPUS,
            ],
        }
    }

    /// Judges what `aws` wrote: its JSON, or what it said instead.
    #[must_use]
    pub fn judge(&self, answer: Result<&Value, &str>) -> PreflightFinding {
        let (is, words) = match (answer, &self.about) {
            (Err(said), _) => refused(said),
            (Ok(found), QuestionSubject::Subnets(ids, needed)) => subnets(found, ids, *needed),
            (Ok(found), QuestionSubject::Role(_, name)) => role(found, name),
            (Ok(found), QuestionSubject::Quota(fewest, most)) => quota(found, *fewest, *most),
        };
        PreflightFinding::new(&self.service, self.what(), is, words)
    }

    fn what(&self) -> &'static str {
        match &self.about {
            QuestionSubject::Subnets(..) => "subnets",
            QuestionSubject::Role(what, _) => what,
            QuestionSubject::Quota(..) => "quota of vCPUs",
        }
    }
}

/// `aws` says "An error occurred (CODE) when calling the NAME operation: …".
fn refused(said: &str) -> (FindingState, String) {
    let said = said.trim();
    let code = said
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let is = match code {
        Some(("NoSuchEntity" | "InvalidSubnetID.NotFound", _)) => FindingState::Missing,
        _ => FindingState::Unknown,
    };
    let last = said.lines().next_back().unwrap_or("aws said nothing");
    (is, last.to_owned())
}

fn subnets(found: &Value, ids: &[String], needed: u64) -> (FindingState, String) {
    let all = found["Subnets"].as_array().map_or(&[][..], Vec::as_slice);
    let usable = |id: &&String| {
        let own = all.iter().find(|it| it["SubnetId"] == id.as_str());
        own.is_some_and(|it| it["State"] == "available")
    };
    if let Some(id) = ids.iter().find(|id| !usable(id)) {
        return (
            FindingState::Missing,
            format!("{id} is not there or not available"),
        );
    }
    let free = |it: &Value| it["AvailableIpAddressCount"].as_u64().unwrap_or(0);
    let free: u64 = all.iter().map(free).sum();
    let words = format!(
        "{} with {free} free addresses; a release takes at most {needed}",
        ids.len()
    );
    let is = if free < needed {
        FindingState::Missing
    } else {
        FindingState::Ok
    };
    (is, words)
}

fn role(found: &Value, name: &str) -> (FindingState, String) {
    let trust = &found["Role"]["AssumeRolePolicyDocument"];
    if trust.to_string().contains("ecs-tasks.amazonaws.com") {
        return (FindingState::Ok, name.to_owned());
    }
    (
        FindingState::Missing,
        format!("{name} does not trust tasks of ECS"),
    )
}

fn quota(found: &Value, fewest: u32, most: u32) -> (FindingState, String) {
    let Some(quota) = found["Quota"]["Value"].as_f64() else {
        return (FindingState::Unknown, "aws gave no value".to_owned());
    };
    let cpus = |parts: u32| f64::from(parts) / f64::from(CPU);
    let needs = format!(
        "{quota} of Fargate in the account; a release of all services takes {} to {}",
        cpus(fewest),
        cpus(most)
    );
    let ask = "ask for more (Service Quotas, Fargate On-Demand vCPU resource count)";
    if cpus(fewest) > quota {
        (FindingState::Missing, format!("{needs}: {ask}"))
    } else if cpus(most) > quota {
        (
            FindingState::Ok,
            format!("{needs}, which does not fit at the most tasks: {ask}"),
        )
    } else {
        (FindingState::Ok, needs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(about: QuestionSubject, answer: &Result<Value, &str>) -> (FindingState, String) {
        let question = AccountQuestion {
            service: "api".to_owned(),
            about,
        };
        let found = question.judge(answer.as_ref().map_err(|said| *said));
        (found.is, found.words)
    }

    #[test]
    fn only_an_answer_makes_something_missing() {
        let subnets = || QuestionSubject::Subnets(vec!["a".to_owned(), "b".to_owned()], 8);
        let subnet = |id: &str, state: &str, free: u64| json!({ "SubnetId": id, "State": state, "AvailableIpAddressCount": free });
        let two = |b: Value| Ok(json!({ "Subnets": [subnet("a", "available", 3), b] }));
        let role = || QuestionSubject::Role("task role", "notes".to_owned());
        let trust = |who: &str| {
            Ok(
                json!({ "Role": { "AssumeRolePolicyDocument": { "Principal": { "Service": who } } } }),
            )
        };
        let quota = || QuestionSubject::Quota(2 * CPU, 8 * CPU);
        let value = |value: f64| Ok(json!({ "Quota": { "Value": value } }));
        let denied = "An error occurred (AccessDenied) when calling the GetRole operation: no";
        let none = "\nAn error occurred (NoSuchEntity) when calling the GetRole operation: none";
        for (about, answer, is, words) in [
            (
                subnets(),
                two(subnet("b", "available", 5)),
                FindingState::Ok,
                "2 with 8 free",
            ),
            (
                subnets(),
                two(subnet("b", "available", 4)),
                FindingState::Missing,
                "7 free",
            ),
            (
                subnets(),
                two(subnet("b", "pending", 9)),
                FindingState::Missing,
                "b is not there",
            ),
            (
                subnets(),
                two(subnet("c", "available", 9)),
                FindingState::Missing,
                "b is not there",
            ),
            (
                role(),
                trust("ecs-tasks.amazonaws.com"),
                FindingState::Ok,
                "notes",
            ),
            (
                role(),
                trust("ec2.amazonaws.com"),
                FindingState::Missing,
                "does not trust",
            ),
            (role(), Err(none), FindingState::Missing, "NoSuchEntity"),
            (role(), Err(denied), FindingState::Unknown, "AccessDenied"),
            (role(), Err(""), FindingState::Unknown, "said nothing"),
            (quota(), value(8.0), FindingState::Ok, "takes 2 to 8"),
            (quota(), value(6.0), FindingState::Ok, "does not fit"),
            (quota(), value(1.0), FindingState::Missing, "ask for more"),
            (quota(), Ok(json!({})), FindingState::Unknown, "no value"),
        ] {
            let found = judged(about.clone(), &answer);
            assert_eq!(found.0, is, "{about:?}: {}", found.1);
            assert!(found.1.contains(words), "{about:?}: {}", found.1);
        }
    }
}
