//! What users meet: load balancer, gateway, CloudFront, web ACL, names.

use neargate_core::model::{EntryPoint, EnvironmentGrade, Manifest, Service, Workload};
use serde::{Deserialize, Serialize};

/// Requests of one address in five minutes, when none is written.
const RATE_LIMIT: u32 = 2000;
/// AWS's groups in front of a web application (AWS Managed Rules rule groups list).
const GROUPS: [&str; 4] = [
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
];

/// Parts between users and tasks: domains, CloudFront, gateway, load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    /// The load balancer; none when no service takes requests.
    pub balancer: Option<Balancer>,
    /// The HTTP API before it.
    pub gateway: Option<Gateway>,
    /// CloudFront, or what the balancer itself needs of names and a web ACL.
    pub edge: Option<EdgeStack>,
}

/// The application load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    /// Clients that can reach it.
    pub scheme: LoadBalancerScheme,
    /// Days that its access log is kept; 0: none.
    pub access_log_days: u32,
    /// Whether it speaks TLS, with a certificate of the domain.
    pub tls: bool,
    /// After how long without a byte it closes a connection, seconds: the longest of all services.
    pub idle_seconds: u64,
}

/// Clients that can reach a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadBalancerScheme {
    /// Anybody on the internet.
    Public,
    /// Only clients in the VPC.
    Internal,
}

/// The HTTP API and its link to the internal balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Requests a second over time.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Names, certificates, web ACL, static files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeStack {
    /// CloudFront, or the balancer without it.
    pub kind: EdgeKind,
    /// The static site; only with CloudFront.
    pub site: Option<SiteBucket>,
    /// Path patterns that are passed on beside a site; empty without one.
    pub paths: Vec<String>,
    /// The web ACL.
    pub waf: Option<WebAcl>,
    /// Names of the app.
    pub domain: Option<Domain>,
}

/// The part that users meet first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// A CloudFront distribution.
    Cloudfront,
    /// The public balancer.
    Balancer,
}

/// A static site in a bucket behind CloudFront.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteBucket {
    /// The static service.
    pub service: String,
    /// Answer to a path without a file.
    pub style: SiteStyle,
}

/// Answer to a path without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteStyle {
    /// The start page.
    Spa,
    /// Nothing; a path that ends in `/` gives its index.
    Pages,
}

/// A web ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebAcl {
    /// Requests of one address in five minutes.
    pub rate_limit: u32,
    /// AWS's groups, in order.
    pub groups: Vec<String>,
}

/// Names and their Route 53 zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The first is the main one.
    pub names: Vec<String>,
    /// The zone's id.
    pub zone_id: String,
}

impl Ingress {
    pub(super) fn of(manifest: &Manifest, grade: EnvironmentGrade, log_days: u32) -> Self {
        let site = site(manifest);
        let routed = manifest.services.values().any(takes_requests);
        let entry = manifest.aws.entry.unwrap_or(match site {
            Some(_) => EntryPoint::Edge,
            None => EntryPoint::Balancer,
        });
        let (waf, domain) = (waf(manifest), domain(manifest));
        let cloudfront = site.is_some()
            || (routed && entry == EntryPoint::Edge)
            || (routed && entry == EntryPoint::Gateway && (waf.is_some() || domain.is_some()));
        let kind = if cloudfront {
            EdgeKind::Cloudfront
        } else {
            EdgeKind::Balancer
        };
        let needed = cloudfront || (routed && (waf.is_some() || domain.is_some()));
        // A gateway calls the balancer by plain HTTP within the VPC: its certificate would not fit.
        let tls = domain.is_some() && entry != EntryPoint::Gateway;
        Self {
            balancer: routed.then_some(Balancer {
                scheme: match entry {
                    EntryPoint::Balancer => LoadBalancerScheme::Public,
                    EntryPoint::Edge | EntryPoint::Gateway => LoadBalancerScheme::Internal,
                },
                access_log_days: match grade {
                    EnvironmentGrade::Trial => 0,
                    EnvironmentGrade::Production => log_days,
                },
                tls,
                idle_seconds: idle_seconds(manifest),
            }),
            gateway: (routed && entry == EntryPoint::Gateway).then_some(Gateway {
                rate: 1000,
                burst: 500,
            }),
            edge: needed.then(|| EdgeStack {
                kind,
                paths: site.as_ref().map_or_else(Vec::new, |_| paths(manifest)),
                site,
                waf,
                domain,
            }),
        }
    }
}

/// One for all services: no request of one is cut off sooner than its manifest says.
fn idle_seconds(manifest: &Manifest) -> u64 {
    let routed = manifest.services.values().filter(|s| takes_requests(s));
    let longest = routed.map(|service| service.idle_timeout.as_secs()).max();
    longest.unwrap_or_default().max(1)
}

/// Whether a service is behind the load balancer.
pub(super) fn takes_requests(service: &Service) -> bool {
    !service.routes.is_empty() && !matches!(service.runs, Workload::Static(_))
}

fn site(manifest: &Manifest) -> Option<SiteBucket> {
    manifest.services.values().find_map(|service| {
        let Workload::Static(site) = &service.runs else {
            return None;
        };
        Some(SiteBucket {
            service: service.name.clone(),
            style: match site.fallback {
                Some(_) => SiteStyle::Spa,
                None => SiteStyle::Pages,
            },
        })
    })
}

fn paths(manifest: &Manifest) -> Vec<String> {
    let behind = manifest.services.values().filter(|s| takes_requests(s));
    let mut routes: Vec<_> = behind.flat_map(|service| &service.routes).collect();
    routes.sort_by_key(|route| route.priority);
    let mut all: Vec<String> = Vec::new();
    for path in routes.iter().flat_map(|route| &route.path) {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    all
}

fn waf(manifest: &Manifest) -> Option<WebAcl> {
    let rules = &manifest.edge.waf_rules;
    manifest.edge.waf.then(|| WebAcl {
        rate_limit: rules.rate_limit.unwrap_or(RATE_LIMIT),
        groups: rules
            .managed
            .clone()
            .unwrap_or_else(|| GROUPS.map(str::to_owned).to_vec()),
    })
}

fn domain(manifest: &Manifest) -> Option<Domain> {
    let zone_id = manifest.aws.hosted_zone.clone()?;
    let names = manifest.edge.domains.clone();
    (!names.is_empty()).then_some(Domain { names, zone_id })
}
