//go:build libzstd

package parquet

import (
	"fmt"

	"github.com/DataDog/zstd"
)

// ZstdLibrary names the zstd implementation this binary was built with.
const ZstdLibrary = "libzstd"

// zstdCodec is the reference implementation through cgo.
type zstdCodec struct {
	context zstd.Ctx
	level   int
}

func newZstd(level int) (compressor, error) {
	return &zstdCodec{context: zstd.NewCtx(), level: level}, nil
}

func (z *zstdCodec) compress(dst, head, _ []byte) ([]byte, error) {
	out, err := z.context.CompressLevel(dst, head, z.level)
	if err != nil {
		return nil, fmt.Errorf("compress page: %w", err)
	}
	return out, nil
}

func (*zstdCodec) bound(n int) int { return zstd.CompressBound(n) }

// parts is false: libzstd reads a page where it lies, in one piece.
func (*zstdCodec) parts(int) bool { return false }
