//! The frozen route table: hosts, paths, methods, headers, and ordered patterns, matched without a scan.
