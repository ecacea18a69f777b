//! What users meet: load balancer, gateway, CloudFront, web ACL, and the traffic to them.

use super::super::bill::{BillBuilder, BillSection};
use super::super::prices::{
    ALB, CLOUDFRONT_FREE_GB, CLOUDFRONT_FREE_MILLIONS, CLOUDFRONT_GB, CLOUDFRONT_MILLION,
    GATEWAY_MILLION, HOURS, LCU, LCU_CONNECTIONS, LCU_GB, OUT_FREE_GB, OUT_GB, WAF, WAF_MILLION,
    WAF_RULE,
};
use super::super::usage::Usage;
use super::{brief, number};
use crate::stack::{EdgeKind, EdgeStack, Stack};

const SECONDS: f64 = HOURS * 3600.0;

pub(super) fn front(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    let front = &stack.front;
    if front.balancer.is_some() {
        let words = "all month".to_owned();
        bill.add_fixed((BillSection::Front, "balancer", "ALB"), words, ALB * HOURS);
        let units = units(usage);
        let words = format!("{units:.3} on average");
        let dollars = units * LCU * HOURS;
        bill.used(
            (BillSection::Front, "balancer", "capacity units"),
            words,
            dollars,
        );
    }
    if front.gateway.is_some() {
        let words = format!("{} million requests", brief(usage.millions));
        let dollars = usage.millions * GATEWAY_MILLION;
        bill.used((BillSection::Front, "gateway", "HTTP API"), words, dollars);
    }
    if let Some(edge) = &front.edge {
        web_acl(edge, usage, bill);
    }
    let through = front.edge.as_ref().map(|edge| edge.kind);
    if through == Some(EdgeKind::Cloudfront) {
        cloudfront(usage, bill);
    } else if front.balancer.is_some() {
        let paid = usage.beyond(usage.traffic_gb, OUT_FREE_GB);
        let words = format!("{} of {} GB billed", brief(paid), brief(usage.traffic_gb));
        bill.used(
            (BillSection::Front, "traffic", "to users"),
            words,
            paid * OUT_GB,
        );
    }
}

/// Capacity units: the greatest of new connections and bytes. Each request is taken for a
/// connection of its own, which is the dearest case. Active connections and rules beyond the free
/// ten do not come near a unit before these do.
fn units(usage: &Usage) -> f64 {
    let connections = usage.millions * 1e6 / SECONDS / LCU_CONNECTIONS;
    let bytes = usage.traffic_gb / HOURS / LCU_GB;
    usage.lcus.unwrap_or(connections.max(bytes))
}

fn web_acl(edge: &EdgeStack, usage: &Usage, bill: &mut BillBuilder) {
    let Some(waf) = &edge.waf else { return };
    // The rate rule is one more.
    let rules = number(waf.groups.len()) + 1.0;
    let words = format!("1 ACL, {rules} rules");
    let dollars = WAF + rules * WAF_RULE;
    bill.add_fixed((BillSection::Front, "edge.waf", "web ACL"), words, dollars);
    let words = format!("{} million requests", brief(usage.millions));
    let dollars = usage.millions * WAF_MILLION;
    bill.used((BillSection::Front, "edge.waf", "requests"), words, dollars);
}

fn cloudfront(usage: &Usage, bill: &mut BillBuilder) {
    let gb = usage.beyond(usage.traffic_gb, CLOUDFRONT_FREE_GB);
    let words = format!("{} of {} GB billed", brief(gb), brief(usage.traffic_gb));
    let at = (BillSection::Front, "cloudfront", "to users");
    bill.used(at, words, gb * CLOUDFRONT_GB);
    let millions = usage.beyond(usage.millions, CLOUDFRONT_FREE_MILLIONS);
    let words = format!("{} million billed", brief(millions));
    let at = (BillSection::Front, "cloudfront", "requests");
    bill.used(at, words, millions * CLOUDFRONT_MILLION);
}
