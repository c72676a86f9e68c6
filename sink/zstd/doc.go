// Package zstd compresses Parquet pages: Zstandard frames (RFC 8878) at about what the reference implementation
// calls level 3, in pure Go.
package zstd
