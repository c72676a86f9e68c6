// Package dataset reads finished outputs: it lists their runs, verifies them, and prints their documents.
//
// Open is the one place that finds runs. It lists a store once, and everything else starts from what it
// found. The package changes nothing, and reaches files through their store alone: a symbolic link, pipe or
// device is never opened, and no name in a manifest leads out of the output.
//
// # Stores
//
// What reads a file in many small steps has it open (store.Open). Verify needs it as one of this machine,
// because it hands it to another process (store.OpenFile). A store whose files lie on a disk opens them as
// a store.Opener; of any other one store.OpenFile makes a nameless copy. This package cannot tell the two
// apart.
//
// # What is trusted
//
// Nothing. A Parquet file may have been torn, flipped, swapped or made by somebody who wants the
// reader to fall over, and arrow-go's reader does: it panics, loops, or allocates gigabytes for a few
// hundred bytes. Three layers stand before that:
//
//  1. The sizes, the footer's key-values and the checksum of all bytes are compared with the manifest,
//     by code that allocates nothing by a claimed length (package sink). A file that differs is
//     damaged and is not opened by any library.
//  2. Row groups and page headers are walked the same way (pages.go): where chunks lie, how long pages
//     are before and after decompression, how many entries they hold, and their CRC, which arrow-go
//     does not look at.
//  3. Verify reads values in a process of their own (process.go, CheckFiles). A panic can be recovered,
//     but a goroutine that spins cannot be stopped, and a Go program that runs out of memory dies; a
//     process with a limited address space, killed at a deadline, is the only wall that holds against
//     all three. Small files share one, until it ends badly.
//
// Cat does without the third: it is a person's peek, writes its output while it reads, and can be
// stopped with Ctrl-C. It has the second, and a recover. So does Scan, which reads a few columns for a
// report, and of a bucket only their ranges: another process would need the whole file.
//
// # What a run has to fulfil
//
// The manifest's files are there, and no others of its name; bytes, sizes and footers are as the
// manifest says; the files form a chain (offsets, ordinals, numbers); every column of every row can be
// read and has the schema's type; _ordinal rises, stays in the file's range, and leaves out exactly the
// ordinals of the rejects; the totals add up. A run without a manifest is incomplete, which is not
// damage: its files are held against their own footers, which carry a checksum of all that comes before
// the footer and one of the footer itself.
package dataset
