//! Routing: the table that the engine publishes and the router serves from.
//!
//! [`table`] is the shape, [`control`] what engine and router say to each other over the
//! router's control socket. [`matching`] finds the rule of a request, [`balance`] the group and
//! the target, [`sticky`] the ones that a client stays with, [`slow_start`] how warm a target is,
//! [`head`] judges request heads, [`authority`] hosts, [`websocket`] upgrades,
//! [`listening`] and [`peer_socket`] whose sockets are, [`forwarded`] makes the headers that a proxy adds
//! and reads those of trusted proxies in front ([`address_block`]),
//! [`http_date`] writes dates, [`traffic`] makes samples of what was counted, [`site`] tells the headers of a static site's files.

pub mod address_block;
pub mod authority;
pub mod balance;
pub mod control;
pub mod forwarded;
pub mod head;
pub mod http_date;
pub mod listening;
pub mod matching;
pub mod peer_socket;
pub mod site;
pub mod slow_start;
pub mod sticky;
pub mod table;
pub mod traffic;
pub mod websocket;
