mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0", value = "ami-0123456789abcdef0" }
  }
}

variables {
  name = "notes-test"
}

run "defaults_are_two_zones_and_one_nat_gateway" {
  command = plan

  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_subnet.private) == 2 && length(aws_subnet.isolated) == 2
    error_message = "each tier has a subnet in both zones"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private_gateway) == 2
    error_message = "both private subnets share one NAT gateway"
  }
  assert {
    condition     = length(aws_vpc_endpoint.gateway) == 1 && length(aws_vpc_endpoint.interface) == 0
    error_message = "only the free endpoint is there"
  }
  assert {
    condition     = length(distinct(concat(values(local.ranges.public), values(local.ranges.private), values(local.ranges.isolated)))) == 6
    error_message = "subnets do not overlap"
  }
  assert {
    condition     = !anytrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch])
    error_message = "no machine gets a public address by default"
  }
}

run "isolated_tier_has_no_route_to_the_internet" {
  command = plan
  variables {
    zones               = 3
    nat_spread          = "per-zone"
    interface_endpoints = ["logs"]
  }

  assert {
    condition     = length(aws_route_table.isolated.route) == 0
    error_message = "the isolated route table is held empty"
  }
  assert {
    condition     = length(aws_route_table_association.isolated) == 3
    error_message = "every isolated subnet is tied to that table"
  }
  assert {
    condition     = toset(keys(aws_route.private_gateway)) == toset(keys(aws_route_table.private))
    error_message = "NAT routes are in private tables only"
  }
}

run "a_nat_instance_has_an_encrypted_disk_and_tokens" {
  command = plan
  variables {
    nat = "instance"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_instance.nat) == 1 && length(aws_route.private_instance) == 2
    error_message = "one instance serves both zones"
  }
  assert {
    condition     = alltrue([for machine in aws_instance.nat : machine.metadata_options[0].http_tokens == "required" && machine.root_block_device[0].encrypted])
    error_message = "the instance asks for metadata tokens and encrypts its disk"
  }
  assert {
    condition     = alltrue([for port in aws_network_interface.nat : !port.source_dest_check])
    error_message = "the interface forwards"
  }
}

run "without_nat_there_is_no_route_out_at_all" {
  command = plan
  variables {
    nat                 = "none"
    zones               = 3
    interface_endpoints = ["ecr.api", "ecr.dkr", "logs"]
  }

  assert {
    condition     = length(aws_route.private_gateway) + length(aws_route.private_instance) + length(aws_eip.nat) == 0
    error_message = "private subnets have no default route"
  }
  assert {
    condition     = length(aws_vpc_endpoint.interface) == 3
    error_message = "endpoints stand in for the internet"
  }
}

run "without_nat_the_registry_endpoints_are_demanded" {
  command = plan
  variables {
    nat = "none"
  }
  expect_failures = [var.interface_endpoints]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name                    = "Notes"
    cidr                    = "10.0.0.0/24"
    zones                   = 4
    nat                     = "router"
    nat_spread              = "some"
    nat_instance_type       = "t3.nano"
    flow_log_retention_days = 31
    gateway_endpoints       = ["logs"]
  }
  expect_failures = [
    var.name, var.cidr, var.zones, var.nat, var.nat_spread, var.nat_instance_type,
    var.flow_log_retention_days, var.gateway_endpoints,
  ]
}

run "pinned_zones_are_taken_in_their_order" {
  command = plan
  variables {
    availability_zones = ["eu-central-1c", "eu-central-1a"]
  }

  assert {
    condition     = output.zones == tolist(["eu-central-1c", "eu-central-1a"])
    error_message = "these zones, in this order"
  }
}

run "fewer_pinned_zones_than_zones_are_refused" {
  command = plan
  variables {
    zones              = 3
    availability_zones = ["eu-central-1c", "eu-central-1a"]
  }
  expect_failures = [var.availability_zones]
}
