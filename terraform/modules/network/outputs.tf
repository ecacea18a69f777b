output "vpc_id" {
  description = "The VPC's id."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "The VPC's address range."
  value       = aws_vpc.this.cidr_block
}

output "zones" {
  description = "Names of the zones in use, in order."
  value       = local.zones
}

output "public_subnet_ids" {
  description = "Subnets for a public load balancer, in the order of zones."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "Subnets for tasks, in the order of zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "isolated_subnet_ids" {
  description = "Subnets for databases and caches, in the order of zones."
  value       = [for zone in local.zones : aws_subnet.isolated[zone].id]
}

output "nat_addresses" {
  description = "Public addresses that tasks are seen with, for other people's allow lists."
  value       = [for address in aws_eip.nat : address.public_ip]
}

output "gateway_prefix_list_ids" {
  description = "Prefix list of each gateway endpoint, for egress rules, by service."
  value       = { for service, endpoint in aws_vpc_endpoint.gateway : service => endpoint.prefix_list_id }
}
