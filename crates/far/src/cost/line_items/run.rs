//! Tasks on Fargate and the images that they are started from.

use neargate_core::model::Architecture;

use super::super::bill::{BillBuilder, BillSection};
use super::super::prices::{
    ECR_GB, FARGATE_ARM_CPU, FARGATE_ARM_GB, FARGATE_X86_CPU, FARGATE_X86_GB, HOURS, SPOT_SHARE,
    ZONE,
};
use super::super::usage::Usage;
use super::{brief, number};
use crate::stack::{EcsService, Stack};

/// GB of an image in a repository, compressed: a small service's.
const IMAGE_GB: f64 = 0.1;
/// Tasks of a service that never run on Spot: `terraform/modules/cluster`, `base_tasks`.
const BASE: f64 = 1.0;

pub(super) fn tasks(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    for service in &stack.services {
        let least = f64::from(service.scale.min);
        let count = usage.tasks.get(&service.name).copied().unwrap_or(least);
        let spot = (count - BASE).max(0.0) * f64::from(service.spot_percent) / 100.0;
        let subject = format!("service.{}", service.name);
        let hour = hour(service);
        bill.add_fixed(
            (BillSection::Tasks, &subject, "Fargate"),
            sized(service, count - spot),
            (count - spot) * hour * HOURS,
        );
        bill.add_fixed(
            (BillSection::Tasks, &subject, "Fargate Spot"),
            format!("{}, half price assumed", sized(service, spot)),
            spot * hour * HOURS * SPOT_SHARE,
        );
    }
    let kept = f64::from(stack.cluster.kept_images);
    let gb = number(stack.cluster.repositories.len()) * kept * IMAGE_GB;
    bill.add_fixed(
        (BillSection::Tasks, "images", "ECR"),
        format!("{} GB: {kept} images of 0.1 GB a service", brief(gb)),
        gb * ECR_GB,
    );
    if stack.cluster.discovery {
        let words = "one private zone".to_owned();
        bill.add_fixed((BillSection::Tasks, "discovery", "Route 53"), words, ZONE);
    }
}

/// One task, by the hour. Without the disk beyond 20 GB, which the manifest has no word for.
fn hour(service: &EcsService) -> f64 {
    let (cpu, gb) = match service.architecture {
        Architecture::Arm64 => (FARGATE_ARM_CPU, FARGATE_ARM_GB),
        Architecture::X86_64 => (FARGATE_X86_CPU, FARGATE_X86_GB),
    };
    f64::from(service.cpu) / 1024.0 * cpu + f64::from(service.memory) / 1024.0 * gb
}

fn sized(service: &EcsService, tasks: f64) -> String {
    let processor = match service.architecture {
        Architecture::Arm64 => "ARM",
        Architecture::X86_64 => "x86",
    };
    let vcpu = brief(f64::from(service.cpu) / 1024.0);
    let gb = brief(f64::from(service.memory) / 1024.0);
    format!("{} × {vcpu} vCPU, {gb} GB, {processor}", brief(tasks))
}
