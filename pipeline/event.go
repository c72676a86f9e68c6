package pipeline

import "tw2parquet/source"

// Event is what an observer is told of a window: Begun, then Acquired, TaskSeen, Moved and Published as they
// come, and at last Ended or Failed. A window that cannot be opened only fails. A conversion has no task.
type Event interface{ event() }

// Observer is told the events of windows: those of one window one after the other, those of several at the
// same time.
type Observer func(Window, Event)

type (
	// Begun says that the output is open and holds so many results of the window already.
	Begun struct{ Results int64 }
	// Acquired says that an export task is the window's, bought or found.
	Acquired struct{ source.Acquired }
	// TaskSeen is a state of the task.
	TaskSeen struct{ source.Task }
	// Moved says what was moved since reading began. It begins again where files are read again.
	Moved struct{ Counts }
	// Published is a new file.
	Published struct{ File }
	// Ended says that the window was run to its end, without an error.
	Ended struct{ Report Report }
	// Failed says that the window ended with an error.
	Failed struct {
		Report Report
		Err    error
	}
)

func (Begun) event()     {}
func (Acquired) event()  {}
func (TaskSeen) event()  {}
func (Moved) event()     {}
func (Published) event() {}
func (Ended) event()     {}
func (Failed) event()    {}

// observers are all told the same.
type observers []Observer

func (o observers) tell(w Window, e Event) {
	for _, observe := range o {
		observe(w, e)
	}
}

// end tells how a window ended.
func (o observers) end(w Window, r Report, err error) {
	if err != nil {
		o.tell(w, Failed{r, err})
		return
	}
	o.tell(w, Ended{r})
}
