package source

import (
	"errors"
	"io"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// Six results, an offset behind every other: what each ending makes of them, of a first answer that looks as if
// there were none, and of a collector that does not exist.
func TestEnding_SaysWhenAllIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		ending      func(q *queue) Ending
		rows, reads int
		empty       int   // rows where the first answer ends right behind its first control chunk
		replay      bool  // and then it is ErrReplay
		gone        Class // of a collector that does not exist
	}{
		"the task's count":        {ending: func(q *queue) Ending { return TaskDone{ID: q.task} }, rows: 6, reads: 1, empty: 6, gone: ClassExpired},
		"nothing said":            {ending: func(*queue) Ending { return nil }, rows: 6, reads: 2, empty: 0, gone: ClassRejected},
		"quiet":                   {ending: func(*queue) Ending { return Quiet{For: time.Minute} }, rows: 6, empty: 6, gone: ClassRejected},
		"an offset":               {ending: func(q *queue) Ending { return OffsetReached{Offset: q.offset(4), Results: 4} }, rows: 4, reads: 1, empty: 0, replay: true, gone: ClassExpired},
		"the offset of the last":  {ending: func(q *queue) Ending { return OffsetReached{Offset: q.offset(6), Results: 6} }, rows: 6, reads: 1, empty: 0, replay: true, gone: ClassExpired},
		"a peek, which may go on": {ending: func(*queue) Ending { return Peek{} }, rows: 6, empty: 6, gone: ClassRejected},
		"the task, and a low count": {ending: func(q *queue) Ending {
			return TaskDone{ID: q.AddTask(emulator.TaskSpec{Target: "c", Processed: 5})}
		}, rows: 6, reads: 2, empty: 6, gone: ClassExpired},
	} {
		t.Run(name, func(t *testing.T) {
			prepare := func() (*queue, StreamConfig) {
				q := newQueue(t, 6, 2)
				return q, StreamConfig{Collector: "c", Ending: tt.ending(q)}
			}
			q, cfg := prepare()
			rows, _, err := drain(t, q.client(t, nil), cfg)
			if !errors.Is(err, io.EOF) || tt.reads > 0 && q.reads != tt.reads {
				t.Errorf("%v after %d reads, want %d", err, q.reads, tt.reads)
			}
			checkRows(t, rows, 0, tt.rows)

			q, cfg = prepare()
			q.spoil = func(read int, body []byte) (int, []byte) {
				if read == 1 {
					return 200, []byte(controlText(earliest))
				}
				return 200, body
			}
			rows, _, err = drain(t, q.client(t, nil), cfg)
			if want := map[bool]error{false: io.EOF, true: ErrReplay}[tt.replay]; !errors.Is(err, want) {
				t.Errorf("behind an empty answer: %v, want %v", err, want)
			}
			checkRows(t, rows, 0, tt.empty)

			q, cfg = prepare()
			cfg.Collector = "other"
			_, _, err = drain(t, q.client(t, nil), cfg)
			checkClass(t, err, tt.gone)
		})
	}
	q := newQueue(t, 6, 2)
	s := q.client(t, nil).Stream(StreamConfig{Collector: "c", Ending: Peek{}})
	defer func() { _ = s.Close() }()
	var b Batch
	if err := s.Next(t.Context(), &b); err != nil || len(b.Chunks) != 1 {
		t.Errorf("a peek found %d results, %v", len(b.Chunks), err)
	}
}
