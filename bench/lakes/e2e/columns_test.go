package e2e

import (
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
)

// read takes all values of a column chunk.
func read[P any, T any](t *testing.T, n int64, levels []int16, batch func(int64, []P, []int16, []int16) (int64, int, error), plain func(P) T) (values []T) {
	t.Helper()
	got := make([]P, n)
	for done := int64(0); done < n; {
		some, there, err := batch(n-done, got, levels[done:], nil)
		if err != nil || some == 0 {
			t.Fatalf("%d of %d values, then %v", done, n, err)
		}
		for _, v := range got[:there] {
			values = append(values, plain(v))
		}
		done += some
	}
	return values
}

func byteArray(v parquet.ByteArray) string { return string(v) }
