// Package substrait stands in for the module of that name, whose files iceberg-go parses when the program starts: 70 ms
// and 32 MB for each command, `version` too. They describe functions of filters over scans, and this program scans
// no Iceberg table: it adds files to them and takes files out.
package substrait

import "embed"

//go:embed extensions/*
var extensions embed.FS

// GetSubstraitFS is GetSubstraitExtensionsFS.
func GetSubstraitFS() embed.FS { return extensions }

// GetSubstraitExtensionsFS has a directory extensions with one file that describes no functions.
func GetSubstraitExtensionsFS() embed.FS { return extensions }
