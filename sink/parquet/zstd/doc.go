// Package zstd compresses Parquet pages into Zstandard frames (RFC 8878, whose sections the comments name) in pure
// Go. There is one level, which makes sizes between 3 and 4 of the reference implementation's. Decompression is
// klauspost/compress's, and so is the Huffman coding of literals.
//
// It exists because most of a file's bytes, and half of the time that writing one takes, are texts in this codec.
// klauspost/compress has nothing between a level whose files are larger than those of the reference implementation's
// level 3, and one that takes half as long again. Three things make the difference:
//
//   - an entry of the search tables has 4 bytes instead of 8, so that twice as many fit into a cache; that most
//     candidates are turned down without being looked at is left to 8 bits of the hash beside the position;
//   - pages lie in memory whole, so nothing is copied into a window, and a match may reach 8 MiB back;
//   - tables are never cleared between pages, because positions go on.
//
// The 109 MB of pages of 40,000 results of the mix take 43.8 MB in 0.83 of the time in which klauspost/compress
// makes 46.2 MB of them at its default; its next level makes 41.6 MB in 1.5 times it, and the reference
// implementation at level 3 makes 44.7 MB in 0.65 of it. BenchmarkFrame runs what is in Go on simpler texts.
package zstd
