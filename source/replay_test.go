package source

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A server that goes back further than it was asked to is noticed, and nothing is doubled; one that goes back
// to the beginning for ever is given up.
func TestStream_ResentResultsAreDropped(t *testing.T) {
	for _, every := range []int{1, 3, 7} {
		for _, back := range []int{0, 1, 2, 5, 10, 1000} {
			q := newQueue(40, every)
			inner := q.script
			q.script = func(r *http.Request, w http.ResponseWriter) bool { // every read but the first goes back
				v := r.URL.Query()
				if o := v.Get("resume_offset"); o != "" && o != earliest {
					n, _ := strconv.Atoi(strings.TrimPrefix(o, "o&=#%"))
					v.Set("resume_offset", offsetOf(max(0, n-back)))
					r.URL.RawQuery = v.Encode()
				}
				return inner(r, w)
			}
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
	q := newQueue(3*replayed, 100)
	q.spoil = func(read int, body []byte) (int, []byte) {
		return 200, append([]byte(controlText("x")), q.body(0)[:len(q.body(0))*2/3]...)
	}
	rows, _, err := drain(t, q.client(t, nil), q.config())
	checkClass(t, err, ClassStream)
	checkRows(t, rows, 0, 2000)
}

// Results that are like those before an offset and are new ones must not be dropped.
func TestStream_LikeEarlierResultsButNew(t *testing.T) {
	q := newQueue(6, 0)
	first := resultText(0) + resultText(1) + resultText(2) + controlText("a")
	rest := resultText(1) + resultText(9) + controlText("b")
	q.spoil = func(read int, _ []byte) (int, []byte) {
		if read == 1 {
			return 200, []byte(controlText(earliest) + first + resultText(7)) // cut behind a
		}
		return 200, []byte(controlText("a") + rest)
	}
	q.tasks[0].Processed = 5
	rows, _, err := drain(t, q.client(t, nil), q.config())
	want := resultText(0) + resultText(1) + resultText(2) + resultText(1) + resultText(9)
	if got := strings.Join(rows, ""); !errors.Is(err, io.EOF) || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}
