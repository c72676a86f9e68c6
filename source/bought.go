package source

import (
	"encoding/json"
	"fmt"
	"time"
)

// BoughtAt reads from a run's TaskRecord when its export task was created, by the server's clock; zero if the
// server did not say.
func BoughtAt(record []byte) (time.Time, error) {
	t, err := BoughtAs(record)
	return t.Created, err
}

// BoughtAs reads from a run's TaskRecord which export task was bought: its ID, Target and Created alone.
func BoughtAs(record []byte) (Task, error) {
	var note taskNote
	if err := json.Unmarshal(record, &note); err != nil {
		return Task{}, fmt.Errorf("read %s: %w", TaskRecord, err)
	}
	return Task{ID: note.ID, Target: note.Target, Created: note.Created}, nil
}
