//! The runner as a whole: in this process where a test wants to look inside, as the real binary where the process is
//! the point.

mod access;
mod admin;
mod binary;
mod cli;
mod config_files;
mod databases;
mod fixture;
mod gateway;
mod persistence;
mod reload;
