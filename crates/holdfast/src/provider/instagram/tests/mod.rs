//! The mapping row by row, the bodies as they were recorded, and the requests as they leave.

mod answers;
mod meanings;
mod requests;
mod table;
