//! Routing: the table that the engine publishes and the router serves from.
//!
//! [`table`] is the shape, [`control`] what engine and router say to each other over the
//! router's control socket.

pub mod control;
pub mod table;
