//! Figures of a service, from what CloudWatch was told of its target groups and tasks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, run, world};

const ROLLING: &str = r#"strategy = "rolling""#;

/// The end of an ARN, as CloudWatch has it.
fn group(world: &World, colour: &str) -> String {
    let made = &world.made;
    let arn = made[colour].as_str().expect("an ARN").to_owned();
    arn.rsplit(':').next().expect("its end").to_owned()
}

fn balancer(world: &World) -> String {
    let made = &world.made;
    let rule = made["rule"].as_str().expect("an ARN").to_owned();
    let parts: Vec<&str> = rule.rsplit('/').collect();
    format!("app/{}/{}", parts[3], parts[2])
}

fn tell(world: &World, namespace: &str, dimensions: &[(&str, &str)], values: &[(&str, f64)]) {
    let dimensions: Vec<Value> = dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    let data: Vec<Value> = values
        .iter()
        .map(
            |(name, value)| json!({ "MetricName": name, "Value": value, "Dimensions": dimensions }),
        )
        .collect();
    world.control(
        "metrics",
        &json!({ "Namespace": namespace, "MetricData": data }),
    );
}

#[test]
fn figures_are_those_of_the_target_groups_and_tasks_and_silence_is_none() {
    let Some(world) = world("figures") else {
        return;
    };
    run(async {
        let driver = world.client("a", ROLLING).await;
        let silent = driver.figures(None, Duration::from_mins(15)).await;
        let silent = silent.expect("figures").rows;
        assert_eq!(silent.len(), 1, "{silent:?}");
        let row = &silent[0];
        assert_eq!(
            (row.requests, row.rate, row.p99, row.cpu),
            (None, None, None, None)
        );
        driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        let (balancer, blue) = (balancer(&world), group(&world, "blue"));
        let of = [
            ("LoadBalancer", balancer.as_str()),
            ("TargetGroup", blue.as_str()),
        ];
        let values = [
            ("RequestCount", 30.0),
            ("RequestCount", 20.0),
            ("HTTPCode_Target_5XX_Count", 1.0),
            ("TargetResponseTime", 0.010),
            ("TargetResponseTime", 0.020),
            ("TargetResponseTime", 0.250),
        ];
        tell(&world, "AWS/ApplicationELB", &of, &values);
        let green = group(&world, "green");
        let of = [
            ("LoadBalancer", balancer.as_str()),
            ("TargetGroup", green.as_str()),
        ];
        let values = [("RequestCount", 50.0), ("TargetResponseTime", 0.100)];
        tell(&world, "AWS/ApplicationELB", &of, &values);
        let of = [("ClusterName", "figures"), ("ServiceName", "figures-api")];
        let values = [("CPUUtilization", 20.0), ("CPUUtilization", 40.0)];
        tell(&world, "AWS/ECS", &of, &values);
        let table = driver.figures(Some("api"), Duration::from_mins(15)).await;
        let table = table.expect("figures");
        let [whole, blue, green] = table.rows.as_slice() else {
            panic!("{table:?}");
        };
        assert_eq!((whole.tasks, whole.requests), (Some(2), Some(100.0)));
        assert_eq!((whole.errors, whole.success_rate), (Some(1.0), Some(99.0)));
        assert_eq!((whole.p50, whole.p99), (Some(100.0), Some(250.0)));
        assert_eq!((whole.cpu, whole.memory), (Some(30.0), None));
        assert_eq!(blue.target_group.as_deref(), Some("blue"));
        assert_eq!((blue.requests, blue.p50), (Some(50.0), Some(20.0)));
        assert_eq!((green.errors, green.success_rate), (Some(0.0), Some(100.0)));
        let rate = 100.0 / table.seconds as f64;
        assert_eq!(whole.rate, Some(rate));
    });
}
