package airflow

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// never is a schedule of which no interval is over before 2028.
var never = []string{"--schedule", "0 0 29 2 *", "--start", "2025-01-01"}

// nightly exports all days that are over for two days, in one task; the next night has nothing to buy.
func nightly(t *testing.T, s *scheduler) {
	a, out := serve(t, small()), filepath.Join(t.TempDir(), "lake")
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	const days = 3
	d := s.install(t, a, "nightly", out, "", "--style", "nightly", "--register", "--start", midnight.AddDate(0, 0, -days-2).Format(time.DateOnly))
	run := d.trigger(nil, nil)
	d.expect(run, "success", "export success 1", "register success 1")
	a.expectWhole(out, days)
	expectRegistered(t, out, days)
	d.expectEvents(run, 1, days)
	d.expect(d.trigger(nil, nil), "success", "export success 1", "register success 1")
	a.expectWhole(out, days)
}

// reschedule exports two windows whose tasks take until each was looked at three times, and a minute, with a single slot:
// none holds the slot while it waits. Each is asked for once, however often it is looked.
func reschedule(t *testing.T, s *scheduler) {
	cfg := small()
	cfg.TaskDuration = 10 * time.Hour
	a, out := serve(t, cfg), filepath.Join(t.TempDir(), "lake")
	d := s.installWith(t, a, "reschedule", out, "", map[string]string{"LOOK_EVERY": "timedelta(seconds=10)", "POOL": `"patient"`}, append(never, "--reschedule")...)
	run := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-03"})
	began := time.Now()
	await(t, "three reschedules of each", func() bool {
		looks := map[string]int{}
		for line := range strings.Lines(d.db.ask(t, "SELECT i.map_index FROM task_reschedule r JOIN task_instance i ON i.id = r.ti_id WHERE i.dag_id = 'reschedule'")) {
			looks[strings.TrimSpace(line)]++
		}
		return min(looks["0"], looks["1"]) >= 3 && (testing.Short() || time.Since(began) > time.Minute)
	})
	a.Advance(cfg.TaskDuration)
	// Not the number of tries: a scheduler that hears of a look only after it has queued the next one takes the task for lost.
	if state, tasks := d.ended(run); state != "success" || len(tasks) != 5 {
		t.Errorf("%s, %q\n%s", state, tasks, d.log(run))
	}
	a.expectWhole(out, 2)
	d.expectEvents(run, 2, 1)
}
