//! Routing: the table that the engine publishes and the router serves from.
//!
//! [`table`] is the shape, [`control`] what engine and router say to each other over the
//! router's control socket. [`matching`] finds the rule of a request, [`balance`] the group and
//! the target, [`head`] judges request heads, [`forwarded`] makes the headers that a proxy adds.

pub mod balance;
pub mod control;
pub mod forwarded;
pub mod head;
pub mod matching;
pub mod table;
