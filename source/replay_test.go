package source

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// A server that goes back further than it was asked to is noticed, and nothing is doubled; one that goes back
// to the beginning for ever is given up.
func TestStream_ResentResultsAreDropped(t *testing.T) {
	for _, every := range []int{1, 3, 7} {
		for _, back := range []int{0, 1, 2, 5, 10, 1000} {
			q := newQueue(t, 40, every)
			q.script = goesBack(q, 40, back)
			q.spoil = func(read int, body []byte) (int, []byte) {
				if read < 4 {
					return 200, body[:len(body)*2/3]
				}
				return 200, body
			}
			c := q.client(t, nil)
			rows, _, err := drain(t, c, q.config())
			if !errors.Is(err, io.EOF) {
				t.Fatalf("every %d, back %d: %v", every, back, err)
			}
			checkRows(t, rows, 0, 40)
		}
	}
	q := newQueue(t, 3*replayed, 100)
	begins, _, _ := strings.Cut(q.whole(3*replayed), resultText(2050))
	q.spoil = func(int, []byte) (int, []byte) { return 200, []byte(controlText("x") + begins) }
	rows, _, err := drain(t, q.client(t, nil), q.config())
	checkClass(t, err, ClassStream)
	checkRows(t, rows, 0, 2000)
}

// goesBack has every read but the first begin so many results before the offset that is asked for.
func goesBack(q *queue, n, back int) func(*http.Request, http.ResponseWriter) bool {
	asked := map[string]string{}
	for i := range n + 1 {
		asked[q.offset(i)] = q.offset(max(0, i-back))
	}
	return func(r *http.Request, _ http.ResponseWriter) bool {
		v := r.URL.Query()
		if o := v.Get("resume_offset"); o != "" && o != earliest {
			v.Set("resume_offset", asked[o])
			r.URL.RawQuery = v.Encode()
		}
		return false
	}
}

// Results that are like those before an offset and are new ones must not be dropped.
func TestStream_LikeEarlierResultsButNew(t *testing.T) {
	q := newQueue(t, 6, 0)
	first := resultText(0) + resultText(1) + resultText(2) + controlText("a")
	rest := resultText(1) + resultText(9) + controlText("b")
	q.spoil = func(read int, _ []byte) (int, []byte) {
		if read == 1 {
			return 200, []byte(controlText(earliest) + first + resultText(7)) // cut behind a
		}
		return 200, []byte(controlText("a") + rest)
	}
	q.task = q.AddTask(emulator.TaskSpec{Target: "c", Processed: 5})
	rows, _, err := drain(t, q.client(t, nil), q.config())
	want := resultText(0) + resultText(1) + resultText(2) + resultText(1) + resultText(9)
	if got := strings.Join(rows, ""); !errors.Is(err, io.EOF) || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}
