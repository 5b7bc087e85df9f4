//! The stable ABI between a vector database (the *host*) and its *plugins*.
pub mod model;
