package source

import (
	"errors"
	"testing"

	"tw2parquet/pipeline/bug"
)

type buggyReader struct{ reads int }

func (r *buggyReader) Read(p []byte) (int, error) {
	if r.reads++; r.reads == 2 {
		panic("a bug")
	}
	return len(p), nil
}

// A bug of the goroutine that reads ahead comes out where its bytes are wanted, behind those before it, and is not taken
// for a stream that broke.
func TestReadAhead_HandsOverABug(t *testing.T) {
	read, caught := 0, (*bug.Error)(nil)
	err := bug.Guard(func() error {
		a := readAhead(t.Context(), &buggyReader{})
		for p := make([]byte, aheadSize); ; {
			n, err := a.Read(p)
			if read += n; err != nil {
				return err
			}
		}
	})
	if !errors.As(err, &caught) || read != aheadSize {
		t.Errorf("%d bytes, %v", read, err)
	}
}
