//! `neargate cost` as clap reads it.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// Show line by line what this value of a manifest field would change; may be repeated
    #[arg(long = "what-if", value_name = "PATH=VALUE")]
    pub what_if: Vec<String>,
    /// Every environment on AWS
    #[arg(long)]
    pub all: bool,
    /// Users' requests per month
    #[arg(long, value_name = "N", value_parser = amount)]
    pub requests: Option<f64>,
    /// GB to users per month
    #[arg(long, value_name = "GB", value_parser = amount)]
    pub traffic_gb: Option<f64>,
    /// GB of logs per month, all groups together
    #[arg(long, value_name = "GB", value_parser = amount)]
    pub logs_gb: Option<f64>,
    /// GB from services to the internet and to AWS per month
    #[arg(long, value_name = "GB", value_parser = amount)]
    pub out_gb: Option<f64>,
    /// Average capacity units of the load balancer; by default computed from requests and traffic
    #[arg(long, value_name = "N", value_parser = amount)]
    pub lcus: Option<f64>,
    /// Average tasks of a service; by default its minimum; may be repeated
    #[arg(long, value_name = "SERVICE=N", value_parser = tasks)]
    pub tasks: Vec<(String, f64)>,
    /// Do not deduct AWS's free allowances
    #[arg(long)]
    pub no_allowances: bool,
}

/// Why an amount or a number of tasks cannot be this.
#[derive(Debug, thiserror::Error)]
enum AmountError {
    /// Not a number that a month can have.
    #[error("write a number from 0 to 1000000000000")]
    NoAmount,
    /// Not a service and a number.
    #[error("write SERVICE=N, for example api=3")]
    NoPair,
}

/// A number that a month can have.
fn amount(text: &str) -> Result<f64, AmountError> {
    let number: Option<f64> = text.parse().ok();
    let fits = number.filter(|n| n.is_finite() && (0.0..=1e12).contains(n));
    fits.ok_or(AmountError::NoAmount)
}

fn tasks(text: &str) -> Result<(String, f64), AmountError> {
    let (service, number) = text.split_once('=').ok_or(AmountError::NoPair)?;
    Ok((service.to_owned(), amount(number)?))
}
