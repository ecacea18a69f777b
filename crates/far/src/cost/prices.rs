//! The price table: what AWS takes for one unit, in us-east-1, on demand, in US dollars.
//!
//! Invariant: no price stands anywhere else in this crate, and each names where it was read.
//! Prices marked "AWS's pricing page" were not read in a document with a date; [`AS_OF`] says how
//! old the table is. Refuses to know prices of other regions, which differ.

/// When the table was put together. A price changed since is not in it.
pub const AS_OF: &str = "2026-06";
/// Whose prices these are.
pub const REGION: &str = "us-east-1";
/// Hours of a month, as AWS's own calculator counts them.
pub const HOURS: f64 = 730.0;

/// A core of Fargate on ARM, by the hour (Vantage, Fargate pricing).
pub const FARGATE_ARM_CPU: f64 = 0.03238;
/// A GB of Fargate on ARM, by the hour (Vantage, Fargate pricing).
pub const FARGATE_ARM_GB: f64 = 0.00356;
/// A core of Fargate on x86, by the hour (FactualMinds, Fargate task pricing, 2026-06-17).
pub const FARGATE_X86_CPU: f64 = 0.04048;
/// A GB of Fargate on x86, by the hour (FactualMinds, Fargate task pricing, 2026-06-17).
pub const FARGATE_X86_GB: f64 = 0.004_445;
/// Price of Spot as a share of the price on demand. AWS says up to 70 % off, and that it varies
/// (wring.co, Fargate pricing guide, 2026-03-10); half is taken here, so as not to promise too
/// much.
pub const SPOT_SHARE: f64 = 0.5;

/// A load balancer, by the hour (Infracost, `lb_test`).
pub const ALB: f64 = 0.0225;
/// A capacity unit of it, by the hour (Infracost, `lb_test`).
pub const LCU: f64 = 0.008;
/// New connections a second that one capacity unit carries (AWS's pricing page of the balancer).
pub const LCU_CONNECTIONS: f64 = 25.0;
/// GB an hour that one capacity unit carries (AWS's pricing page of the balancer).
pub const LCU_GB: f64 = 1.0;

/// A NAT gateway, by the hour (Infracost, `nat_gateway_test`).
pub const NAT_GATEWAY: f64 = 0.045;
/// A GB through it (Infracost, `nat_gateway_test`).
pub const NAT_GATEWAY_GB: f64 = 0.045;
/// A t4g.nano, which a NAT instance is, by the hour (lists of EC2 prices).
pub const NAT_INSTANCE: f64 = 0.0042;
/// GB of its disk: `terraform/modules/network/nat.tf`.
pub const NAT_DISK_GB: f64 = 8.0;
/// A GB-month of gp3 on EC2 (AWS's pricing page of EBS).
pub const EBS_GB: f64 = 0.08;
/// An interface endpoint, by the hour and zone (Infracost, `vpc_endpoint_test`).
pub const ENDPOINT: f64 = 0.01;
/// A GB through it (Infracost, `vpc_endpoint_test`).
pub const ENDPOINT_GB: f64 = 0.01;
/// A public IPv4 address, used or idle, by the hour (lists of EC2 prices, since February 2024).
pub const IPV4: f64 = 0.005;
/// A GB to the internet, up to 10 TB (AWS's pricing page of EC2).
pub const OUT_GB: f64 = 0.09;
/// GB of it a month that are free in an account (AWS's pricing page of EC2).
pub const OUT_FREE_GB: f64 = 100.0;

/// A GB-month of gp3 on RDS, one zone (usage.ai, RDS calculator, June 2026).
pub const RDS_GB: f64 = 0.115;
/// A GB-month of gp3 on RDS, with a standby (Infracost, `db_instance_test`).
pub const RDS_GB_MULTI: f64 = 0.23;
/// A GB-month of backups beyond the size of the disk (Infracost, `db_instance_test`).
pub const RDS_BACKUP_GB: f64 = 0.095;
/// Hours of PostgreSQL on RDS, one zone (infratally.com, RDS pricing 2026; large: AWS's price list).
/// A standby doubles them.
pub const RDS: [(&str, f64); 4] = [
    ("db.t4g.micro", 0.016),
    ("db.t4g.small", 0.032),
    ("db.t4g.medium", 0.065),
    ("db.t4g.large", 0.129),
];

/// Hours of a node of ElastiCache for Redis OSS (Infracost output; medium: AWS's price list).
pub const CACHE: [(&str, f64); 3] = [
    ("cache.t4g.micro", 0.016),
    ("cache.t4g.small", 0.032),
    ("cache.t4g.medium", 0.065),
];
/// Price of Valkey as a share of that (AWS's pricing page of ElastiCache: 20 % less on nodes).
pub const VALKEY_SHARE: f64 = 0.8;
/// A GB-month of snapshots (Infracost, `elasticache_cluster_test`).
pub const CACHE_BACKUP_GB: f64 = 0.085;

/// A secret of Secrets Manager, by the month (Infracost, `secretsmanager_secret_test`).
pub const SECRET: f64 = 0.40;
/// A key of the account, by the month (Infracost, `kms_key_test`).
pub const KMS_KEY: f64 = 1.00;

/// A GB of logs taken in (Infracost, `cloudwatch_log_group_test`).
pub const LOGS_GB: f64 = 0.50;
/// A GB-month of logs kept (Infracost, `cloudwatch_log_group_test`).
pub const LOGS_KEPT_GB: f64 = 0.03;
/// GB of logs a month that are free in an account (AWS's pricing page of CloudWatch).
pub const LOGS_FREE_GB: f64 = 5.0;
/// A custom metric, by the month; standard Container Insights are such (SigNoz, 2026-02-15).
pub const METRIC: f64 = 0.30;
/// Custom metrics that are free in an account (AWS's pricing page of CloudWatch).
pub const METRICS_FREE: f64 = 10.0;
/// A metric of Container Insights with enhanced observability (fortem.dev, ECS Fargate monitoring).
pub const METRIC_ENHANCED: f64 = 0.07;
/// Metrics that an alarm looks at, each, by the month (Infracost, `cloudwatch_metric_alarm_test`).
pub const ALARM: f64 = 0.10;
/// The same with a period below a minute (Infracost, `cloudwatch_metric_alarm_test`).
pub const ALARM_QUICK: f64 = 0.30;
/// An alarm over alarms (AWS's pricing page of CloudWatch).
pub const ALARM_RULE: f64 = 0.50;
/// Alarm metrics that are free in an account (AWS's pricing page of CloudWatch).
pub const ALARMS_FREE: f64 = 10.0;
/// A dashboard, by the month (Infracost, `cloudwatch_dashboard_test`).
pub const DASHBOARD: f64 = 3.00;
/// Dashboards of up to 50 metrics that are free in an account (AWS's pricing page of CloudWatch).
pub const DASHBOARDS_FREE: f64 = 3.0;

/// A web ACL, by the month (Infracost, `wafv2_web_acl_test`).
pub const WAF: f64 = 5.00;
/// A rule or a group of rules in it (Infracost, `wafv2_web_acl_test`).
pub const WAF_RULE: f64 = 1.00;
/// A million requests that it looks at (Infracost, `wafv2_web_acl_test`).
pub const WAF_MILLION: f64 = 0.60;
/// A GB from CloudFront to users in Europe and North America (AWS's pricing page of CloudFront).
pub const CLOUDFRONT_GB: f64 = 0.085;
/// A million HTTPS requests to CloudFront (AWS's pricing page of CloudFront: 0.01 for 10,000).
pub const CLOUDFRONT_MILLION: f64 = 1.00;
/// GB from CloudFront a month that are free in an account (AWS's pricing page of CloudFront).
pub const CLOUDFRONT_FREE_GB: f64 = 1024.0;
/// Millions of requests to it that are free in an account (AWS's pricing page of CloudFront).
pub const CLOUDFRONT_FREE_MILLIONS: f64 = 10.0;
/// A million requests to an HTTP API, up to 300 million (Infracost, `apigatewayv2_api_test`).
pub const GATEWAY_MILLION: f64 = 1.00;
/// A private zone of Route 53, by the month (AWS's pricing page of Route 53).
pub const ZONE: f64 = 0.50;
/// A GB-month of images (Infracost, `ecr_repository_test`).
pub const ECR_GB: f64 = 0.10;
/// A GB-month of objects (AWS's pricing page of S3).
pub const S3_GB: f64 = 0.023;
