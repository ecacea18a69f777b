//! `neargate cost`: what environments on AWS cost in a month.
//!
//! Invariant: nothing is asked of AWS, and nothing is written; the manifest and a dated table of
//! prices are all that is read.

use std::process::ExitCode;

use neargate_far::cost::{
    self, BillSection, Difference, Estimate, FreeTier, Saving, Usage, estimate, prices, savings,
};
use neargate_far::stack::Stack;
use serde_json::{Value, json};

use crate::arguments::{Cost, GlobalFlags};
use crate::failure::Failure;
use crate::{output, project};

/// Prints a table for each environment.
pub(crate) fn run(flags: &GlobalFlags, options: &Cost) -> Result<ExitCode, Failure> {
    let far = project::load(flags)?.1.on_aws;
    let wanted = if options.all {
        far.clone()
    } else {
        vec![flags.env().to_owned()]
    };
    let mut priced = Vec::new();
    for env in &wanted {
        let flags = GlobalFlags {
            env: Some(env.clone()),
            ..flags.clone()
        };
        priced.extend(price(&flags, options)?);
    }
    if flags.json {
        let each: Vec<Value> = priced.iter().map(PricedEnvironment::json).collect();
        output::json(&json!({
            "prices": { "region": prices::REGION, "as_of": prices::AS_OF, "currency": "USD" },
            "environments": each,
            "on_aws": far,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    if priced.is_empty() {
        output::line(&nothing(flags, options, &far));
    }
    for (at, one) in priced.iter().enumerate() {
        if at > 0 {
            output::line("");
        }
        one.print();
    }
    if priced.len() > 1 && !options.no_allowances {
        output::note(
            "each estimate deducts the account's free allowances; in one account they count once: --no-allowances leaves them out",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing(flags: &GlobalFlags, options: &Cost, far: &[String]) -> String {
    let which = match far {
        [] => "no environment of this manifest is on AWS".to_owned(),
        far => format!("on AWS: {}, choose by -e", far.join(", ")),
    };
    if options.all {
        return which;
    }
    format!(
        "environment `{}` is near: it runs on a machine that you have, and costs nothing at AWS ({which})",
        flags.env()
    )
}

/// An environment with everything that is said of it.
struct PricedEnvironment {
    usage: Usage,
    now: Estimate,
    then: Option<(Estimate, Difference)>,
    savings: Vec<Saving>,
}

fn price(flags: &GlobalFlags, options: &Cost) -> Result<Option<PricedEnvironment>, Failure> {
    let (_, loaded) = project::load(flags)?;
    let Ok(stack) = Stack::of(&loaded.manifest) else {
        return Ok(None);
    };
    let usage = usage(&stack, options)?;
    let now = estimate(&stack, &usage);
    let with = |overrides: &[String]| changed(flags, overrides);
    let then = if options.what_if.is_empty() {
        None
    } else {
        let other = with(&options.what_if)?.ok_or_else(|| {
            Failure::Usage("with that the environment is no longer on AWS".to_owned())
        })?;
        let then = estimate(&other, &usage);
        let difference = Difference::between(&now, &then);
        Some((then, difference))
    };
    let savings = savings(&stack, &usage, |overrides| with(overrides).ok().flatten());
    Ok(Some(PricedEnvironment {
        usage,
        now,
        then,
        savings,
    }))
}

/// The stack with overrides laid over the manifest; none when it is not on AWS then.
fn changed(flags: &GlobalFlags, overrides: &[String]) -> Result<Option<Stack>, Failure> {
    let mut flags = flags.clone();
    flags.overrides.extend_from_slice(overrides);
    let (_, loaded) = project::load(&flags)?;
    Ok(Stack::of(&loaded.manifest).ok())
}

fn usage(stack: &Stack, options: &Cost) -> Result<Usage, Failure> {
    let usual = Usage::of(stack.grade);
    let known = |name: &String| stack.services.iter().any(|service| service.name == *name);
    // With --all a service may be of another environment.
    let strange = options.tasks.iter().find(|(name, _)| !known(name));
    if let Some((name, _)) = strange.filter(|_| !options.all) {
        return Err(Failure::Usage(format!(
            "--tasks: environment `{}` has no service `{name}` on ECS",
            stack.env
        )));
    }
    Ok(Usage {
        millions: options.requests.map_or(usual.millions, |n| n / 1e6),
        traffic_gb: options.traffic_gb.unwrap_or(usual.traffic_gb),
        logs_gb: options.logs_gb.unwrap_or(usual.logs_gb),
        outgoing_gb: options.out_gb.unwrap_or(usual.outgoing_gb),
        lcus: options.lcus,
        tasks: options.tasks.iter().cloned().collect(),
        allowances: if options.no_allowances {
            FreeTier::UsedUp
        } else {
            FreeTier::Counted
        },
    })
}

impl PricedEnvironment {
    fn print(&self) {
        for line in cost::table(&self.now, &self.usage) {
            output::line(&line);
        }
        if let Some((then, difference)) = &self.then {
            output::line(&format!("\nWhat if, total {}:", then.total()));
            for line in cost::difference_table(difference) {
                output::line(&line);
            }
            for words in then
                .unpriced
                .iter()
                .filter(|w| !self.now.unpriced.contains(w))
            {
                output::line(&format!("Not included: {words}."));
            }
        }
        output::line("");
        for line in cost::savings_table(&self.savings, &self.now.env) {
            output::line(&line);
        }
    }

    fn json(&self) -> Value {
        let parts = BillSection::ALL
            .iter()
            .map(|part| (part.name(), self.now.of(*part)));
        let parts: std::collections::BTreeMap<_, _> = parts.collect();
        let what_if = self.then.as_ref().map(|(then, difference)| {
            json!({
                "total": then.total(),
                "difference": difference.total,
                "changes": difference.changes,
                "unpriced": then.unpriced,
            })
        });
        json!({
            "env": self.now.env,
            "region": self.now.region,
            "total": self.now.total(),
            "standing": self.now.fixed_total(),
            "parts": parts,
            "lines": self.now.lines,
            "unpriced": self.now.unpriced,
            "usage": self.usage,
            "what_if": what_if,
            "savings": self.savings,
        })
    }
}
