package parquet

import (
	"fmt"
	"strconv"
	"strings"
)

// Codec is a Parquet compression codec this package writes.
type Codec uint8

// The codecs. Zstandard is the zero value because it is the default: it is the smallest of them at
// a cost that the network in front of it hides.
const (
	Zstd Codec = iota
	Snappy
	None
)

// DefaultZstdLevel is the level of the zero Compression, the one all published figures were
// measured with.
const DefaultZstdLevel = 3

// maxZstdLevel is where zstd's regular levels end; 20 to 22 need windows that readers may refuse.
const maxZstdLevel = 19

// Compression is how the pages of a file are compressed. The zero value is zstd at
// DefaultZstdLevel.
type Compression struct {
	Codec Codec
	Level int // zstd only, 1 to 19; 0 means DefaultZstdLevel
}

// ParseCompression reads "zstd", "zstd:LEVEL" (1 to 19), "snappy" or "none".
func ParseCompression(s string) (Compression, error) {
	name, level, leveled := strings.Cut(s, ":")
	switch {
	case name == "zstd" && !leveled:
		return Compression{Codec: Zstd, Level: DefaultZstdLevel}, nil
	case name == "zstd":
		n, err := strconv.Atoi(level)
		if err != nil || n < 1 || n > maxZstdLevel {
			return Compression{}, fmt.Errorf("compression %q: the level of zstd is a number from 1 to %d", s, maxZstdLevel)
		}
		return Compression{Codec: Zstd, Level: n}, nil
	case name == "snappy" && !leveled:
		return Compression{Codec: Snappy}, nil
	case name == "none" && !leveled:
		return Compression{Codec: None}, nil
	}
	return Compression{}, fmt.Errorf("compression %q: use zstd, zstd:1 to zstd:%d, snappy or none", s, maxZstdLevel)
}

// String is the form that ParseCompression reads.
func (c Compression) String() string {
	switch c.Codec {
	case Snappy:
		return "snappy"
	case None:
		return "none"
	default:
		return "zstd:" + strconv.Itoa(c.zstdLevel())
	}
}

// zstdLevel is the level with its default filled in.
func (c Compression) zstdLevel() int {
	if c.Level == 0 {
		return DefaultZstdLevel
	}
	return c.Level
}

// Validate names what is wrong with c, which ParseCompression never returns.
func (c Compression) Validate() error {
	switch {
	case c.Codec > None:
		return fmt.Errorf("compression: unknown codec %d", c.Codec)
	case c.Codec != Zstd && c.Level != 0:
		return fmt.Errorf("compression %s has no levels", c)
	case c.Level < 0 || c.Level > maxZstdLevel:
		return fmt.Errorf("compression: zstd level %d is not between 1 and %d", c.Level, maxZstdLevel)
	}
	return nil
}
