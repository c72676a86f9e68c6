package object

import (
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestLent(t *testing.T) {
	var lent Lent
	text := []byte("some bytes")
	if err := iotest.TestReader(lent.Reader(text), text); err != nil {
		t.Error(err)
	}
	r := lent.Reader(text)
	if _, ok := r.(io.WriterTo); ok {
		t.Error("it hands out its bytes")
	}
	if _, err := r.Read(make([]byte, 3)); err != nil {
		t.Error(err)
	}
	lent.TakeBack()
	if n, err := r.Read(make([]byte, 3)); n != 0 || !errors.Is(err, errTakenBack) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
