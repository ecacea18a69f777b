//! The way out of the private tier, endpoints, and public addresses.

use super::super::bill::{BillBuilder, BillSection};
use super::super::prices::{
    EBS_GB, ENDPOINT, ENDPOINT_GB, HOURS, IPV4, NAT_DISK_GB, NAT_GATEWAY, NAT_GATEWAY_GB,
    NAT_INSTANCE,
};
use super::super::usage::Usage;
use super::{brief, count, number};
use crate::stack::{LoadBalancerScheme, NatMode, Stack};

pub(super) fn network(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    let network = &stack.network;
    let many = f64::from(network.nat.count());
    match network.nat {
        NatMode::Gateway { count: n } => {
            let dollars = many * NAT_GATEWAY * HOURS;
            let at = (BillSection::Network, "aws.nat", "NAT gateway");
            bill.add_fixed(at, count(n, "gateway"), dollars);
            let words = format!("{} GB", brief(usage.outgoing_gb));
            let at = (BillSection::Network, "aws.nat", "through it");
            bill.used(at, words, usage.outgoing_gb * NAT_GATEWAY_GB);
        }
        NatMode::Instance { count: n } => {
            let at = (BillSection::Network, "aws.nat", "NAT instance");
            let words = format!("{}, t4g.nano", count(n, "instance"));
            bill.add_fixed(at, words, many * NAT_INSTANCE * HOURS);
            let at = (BillSection::Network, "aws.nat", "disk");
            let words = format!("{} GB gp3", brief(many * NAT_DISK_GB));
            bill.add_fixed(at, words, many * NAT_DISK_GB * EBS_GB);
        }
        NatMode::None => {}
    }
    addresses(stack, bill);
    let endpoints = number(network.interface_endpoints.len());
    if endpoints > 0.0 {
        let words = format!(
            "{} in {}",
            network.interface_endpoints.join(", "),
            count(network.zones, "zone")
        );
        let dollars = endpoints * f64::from(network.zones) * ENDPOINT * HOURS;
        let at = (BillSection::Network, "aws.endpoints", "endpoints");
        bill.add_fixed(at, words, dollars);
        let at = (BillSection::Network, "aws.endpoints", "through them");
        let words = format!("{} GB", brief(usage.outgoing_gb));
        bill.used(at, words, usage.outgoing_gb * ENDPOINT_GB);
    }
}

/// One for each NAT, and one in each zone for a public load balancer.
fn addresses(stack: &Stack, bill: &mut BillBuilder) {
    let nat = stack.network.nat.count();
    let at = (BillSection::Network, "aws.nat", "public IPv4");
    let dollars = f64::from(nat) * IPV4 * HOURS;
    bill.add_fixed(at, count(nat, "address"), dollars);
    let public =
        stack.front.balancer.map(|balancer| balancer.scheme) == Some(LoadBalancerScheme::Public);
    if public {
        let zones = stack.network.zones;
        let at = (BillSection::Network, "balancer", "public IPv4");
        let dollars = f64::from(zones) * IPV4 * HOURS;
        bill.add_fixed(at, count(zones, "address"), dollars);
    }
}
