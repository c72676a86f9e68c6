package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// What a scheduler says and asks for through the environment. All of it is a courtesy: what cannot be served is
// warned of, and changes no verdict.
const (
	// terminationEnv names the file for what Kubernetes shows of a container that has ended; else it is
	// terminationFile, where there is one (Kubernetes: "Determine the Reason for Pod Failure").
	terminationEnv  = "TW2PARQUET_TERMINATION_LOG"
	terminationFile = "/dev/termination-log"
	// xcomEnv is a directory whose files Airflow takes as XComs, one for each key.
	xcomEnv = "AIRFLOW_XCOM_DIR"

	maxTermination = 4 << 10 // bytes of a termination message that Kubernetes keeps
	maxLabel       = 250     // bytes of a label that are kept
)

// airflowContext are the variables by which Airflow's operators say what they run, and the labels that they become.
var airflowContext = [...]struct{ env, label string }{
	{"AIRFLOW_CTX_DAG_ID", "airflow_dag_id"},
	{"AIRFLOW_CTX_DAG_RUN_ID", "airflow_dag_run_id"},
	{"AIRFLOW_CTX_TASK_ID", "airflow_task_id"},
	{"AIRFLOW_CTX_TRY_NUMBER", "airflow_try_number"},
}

// labels say on whose behalf the process runs. They stand in logs and manifests, and never decide anything.
func (a *app) labels() map[string]string {
	var labels map[string]string
	for _, c := range airflowContext {
		v := os.Getenv(c.env)
		if blank(v) {
			continue
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[c.label] = string(a.redactors[0].clean([]byte(shortened(v, maxLabel))))
	}
	return labels
}

// labelled puts the labels into every line of a log.
func (a *app) labelled(h slog.Handler) *slog.Logger {
	log, labels := slog.New(h), a.labels()
	for _, c := range airflowContext {
		if v, ok := labels[c.label]; ok {
			log = log.With(c.label, v)
		}
	}
	return log
}

// lastWords leaves code, message and hint of a failure where Kubernetes looks for them.
func (a *app) lastWords(o outcome) {
	name, asked := os.Getenv(terminationEnv), true
	if blank(name) {
		name, asked = terminationFile, false
	}
	if o.Code == exitOK || o.quiet {
		return
	}
	text := fmt.Sprintf("exit code %d (%s): %s", o.Code, o.Name, oneLine(o.Message))
	hint := ""
	if o.Hint != "" {
		hint = "\n" + o.Hint
	}
	text = shortened(text, max(maxTermination/2, maxTermination-len(hint)-1))
	text = shortened(text+hint, maxTermination-1) + "\n"
	if err := a.leave(name, asked, text); err != nil && asked {
		a.log.Warn("cannot write the termination message", "variable", terminationEnv, "error", err)
	}
}

// leave writes a regular file in place: it may be a mount point, and one that waits for a reader must not keep the
// process from ending. It makes a file only where one was asked for.
func (a *app) leave(name string, asked bool, text string) error {
	flags := os.O_WRONLY | os.O_TRUNC | syscall.O_NONBLOCK
	if asked {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	_, err = f.Write(a.redactors[0].clean([]byte(text)))
	return err
}

// xcom is the file in which Airflow looks for the result, or empty.
func xcom() string {
	dir := os.Getenv(xcomEnv)
	if blank(dir) {
		return ""
	}
	return filepath.Join(dir, "result.json")
}

// offer gives the result to Airflow, where it asks for it.
func (a *app) offer(line []byte) {
	if name := xcom(); name != "" {
		if err := replaceFile(name, a.redactors[0].clean(line)); err != nil {
			a.log.Warn("cannot leave the result for Airflow", "variable", xcomEnv, "error", err)
		}
	}
}

// shortened is s with at most limit bytes, cut between two characters.
func shortened(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.ToValidUTF8(s[:cut], "") + "…"
}
