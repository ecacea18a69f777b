# The way out of the private tier: a managed gateway, a small instance, or none.

locals {
  nat_zones = var.nat == "none" ? [] : (
    var.nat_spread == "per-zone" ? local.zones : slice(local.zones, 0, 1)
  )
  gateway_zones  = toset(var.nat == "gateway" ? local.nat_zones : [])
  instance_zones = toset(var.nat == "instance" ? local.nat_zones : [])

  # Which NAT a zone uses: its own when it has one, else the first.
  nat_of_zone = var.nat == "none" ? {} : {
    for zone in local.zones : zone => contains(local.nat_zones, zone) ? zone : local.nat_zones[0]
  }
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:the address belongs to a NAT gateway or to a NAT instance's interface, not to an instance
  for_each = toset(local.nat_zones)

  domain = "vpc"
  tags   = merge(var.tags, { Name = "${var.name}-nat-${each.key}" })
}

resource "aws_nat_gateway" "this" {
  for_each = local.gateway_zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = merge(var.tags, { Name = "${var.name}-${each.key}" })

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "private_gateway" {
  for_each = var.nat == "gateway" ? local.nat_of_zone : {}

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.value].id
}

resource "aws_route" "private_instance" {
  for_each = var.nat == "instance" ? local.nat_of_zone : {}

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  network_interface_id   = aws_network_interface.nat[each.value].id
}

data "aws_ssm_parameter" "nat_image" {
  count = var.nat == "instance" ? 1 : 0
  name  = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_security_group" "nat" {
  count = var.nat == "instance" ? 1 : 0

  name_prefix = "${var.name}-nat-"
  description = "NAT instance: takes from the private tier, sends anywhere"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-nat" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "nat" {
  for_each = var.nat == "instance" ? local.ranges.private : {}

  security_group_id = aws_security_group.nat[0].id
  description       = "Anything from the private subnet in ${each.key}"
  cidr_ipv4         = each.value
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_egress_rule" "nat" {
  count = var.nat == "instance" ? 1 : 0

  security_group_id = aws_security_group.nat[0].id
  description       = "A NAT forwards to the whole internet"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

# The interface, with its address and route, lives longer than the instance: a replaced instance
# keeps both, and has the internet from its first second.
resource "aws_network_interface" "nat" {
  for_each = local.instance_zones

  subnet_id         = aws_subnet.public[each.key].id
  security_groups   = [aws_security_group.nat[0].id]
  source_dest_check = false
  tags              = merge(var.tags, { Name = "${var.name}-nat-${each.key}" })
}

resource "aws_eip_association" "nat" {
  for_each = local.instance_zones

  allocation_id        = aws_eip.nat[each.key].id
  network_interface_id = aws_network_interface.nat[each.key].id
}

resource "aws_instance" "nat" {
  #checkov:skip=CKV_AWS_126:one-minute metrics cost more than the instance; five-minute ones are enough for a NAT
  for_each = local.instance_zones

  ami                         = data.aws_ssm_parameter.nat_image[0].insecure_value
  instance_type               = var.nat_instance_type
  ebs_optimized               = true
  iam_instance_profile        = aws_iam_instance_profile.nat[0].name
  user_data                   = file("${path.module}/nat-instance.sh")
  user_data_replace_on_change = true
  tags                        = merge(var.tags, { Name = "${var.name}-nat-${each.key}" })

  network_interface {
    network_interface_id = aws_network_interface.nat[each.key].id
    device_index         = 0
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    kms_key_id  = var.kms_key_arn
    volume_type = "gp3"
    volume_size = 8
  }

  lifecycle {
    # A newer image is taken when somebody replaces the instance, not in the middle of a plan.
    ignore_changes = [ami]
  }

  depends_on = [aws_eip_association.nat]
}

resource "aws_iam_role" "nat" {
  count = var.nat == "instance" ? 1 : 0

  name_prefix = "${var.name}-nat-"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "nat_session" {
  count = var.nat == "instance" ? 1 : 0

  role       = aws_iam_role.nat[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "nat" {
  count = var.nat == "instance" ? 1 : 0

  name_prefix = "${var.name}-nat-"
  role        = aws_iam_role.nat[0].name
  tags        = var.tags
}
