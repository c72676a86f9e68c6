package source

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Status is the state of a task, in lower case: the documentation writes it upper, the wire lower.
type Status string

// The states of a task (Talkwalker API, tasks). A status that is not listed counts as not terminal.
const (
	StatusUnknown      Status = "unknown"
	StatusQueued       Status = "queued"
	StatusRunning      Status = "running"
	StatusFinished     Status = "finished"
	StatusFailed       Status = "failed"
	StatusDeleted      Status = "deleted" // the answer to an abort
	StatusAborted      Status = "aborted"
	StatusLimitReached Status = "result_limit_reached" // finished, as far as the limit let it

	// StatusGone is ours: the server does not know the task (any more). Its results may still be there.
	StatusGone Status = "gone"
)

// Terminal reports whether the task will not change any more.
func (s Status) Terminal() bool {
	switch s {
	case StatusFinished, StatusFailed, StatusDeleted, StatusAborted, StatusLimitReached, StatusGone:
		return true
	}
	return false
}

func (s Status) known() bool {
	return s.Terminal() || s == StatusUnknown || s == StatusQueued || s == StatusRunning
}

// Task is an export task.
type Task struct {
	ID, Type, Target string
	Created          time.Time // zero if not told
	Status           Status
	Processed        int64 // results exported so far, and billed
	Ready            int64 // of these, readable in the collector; -1 if not told, as while queued
	// Progress is the share of all matching results, 0 to 1. It does not reach 1 for a task that was
	// limited or aborted.
	Progress float64
	// Seen is when the server said all this, by its clock. The API does not say when a task ended.
	Seen time.Time
	Raw  json.RawMessage // the object as sent, unknown members included, without the token
}

// Count is how many results the collector should yield.
func (t Task) Count() int64 { return max(t.Processed, t.Ready, 0) }

const (
	tasksPath    = "/api/v3/tasks/export"
	taskTemplate = tasksPath + "/{id}"
)

// tasksOf are the tasks of an answer that came just now.
func (c *Client) tasksOf(o object) []Task {
	list := tasksOf(o)
	for i := range list {
		list[i].Seen = c.server.now().UTC()
	}
	return list
}

func tasksOf(o object) []Task {
	var list []Task
	for _, t := range o.object("result_tasks").list("tasks") {
		task := Task{
			ID: t.text("id"), Type: t.text("type"), Target: t.text("target"), Created: t.when("creation_date"),
			Status:    Status(strings.ToLower(strings.TrimSpace(t.text("status")))),
			Processed: t.count("processed"), Ready: -1, Progress: t.float("progress"), Raw: t.raw(),
		}
		if n, ok := t.integer("ready"); ok {
			task.Ready = max(n, 0)
		}
		list = append(list, task)
	}
	return list
}

// Tasks lists recent export tasks of the account, in the server's order.
func (c *Client) Tasks(ctx context.Context) ([]Task, error) { return c.listTasks(ctx, c.do) }

// TasksOnce is Tasks without a second attempt: for those who can do without.
func (c *Client) TasksOnce(ctx context.Context) ([]Task, error) { return c.listTasks(ctx, c.attempt) }

func (c *Client) listTasks(ctx context.Context, ask func(context.Context, call) (object, error)) ([]Task, error) {
	k := call{method: http.MethodGet, path: tasksPath, template: tasksPath, limit: c.limits.tasks}
	o, err := ask(ctx, k)
	if err != nil {
		return nil, err
	}
	if o.object("result_tasks") == nil {
		// An answer without the list is not an empty list: whoever buys relies on the difference.
		return nil, c.unexpected(k.op(), o, "the answer holds no list of tasks")
	}
	return c.tasksOf(o), nil
}

// Task looks a task up. If the server does not know it, the error is of ClassTask and wraps ErrNotFound.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	return c.oneTask(ctx, http.MethodGet, id, c.limits.task)
}

// AbortTask ends a task. What it exported so far stays readable, and paid.
func (c *Client) AbortTask(ctx context.Context, id string) (Task, error) {
	return c.oneTask(ctx, http.MethodDelete, id, c.limits.taskChange)
}

func (c *Client) oneTask(ctx context.Context, method, id string, limit *limiter) (Task, error) {
	if err := checkID(serverID, "task", id); err != nil {
		return Task{}, err
	}
	k := call{method: method, path: tasksPath + "/" + id, template: taskTemplate, limit: limit}
	o, err := c.do(ctx, k)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && errors.Is(e, ErrNotFound) {
			e.Class = ClassTask
		}
		return Task{}, err
	}
	list := c.tasksOf(o)
	if len(list) == 0 && o.object("result_tasks") != nil {
		e := c.unexpected(k.op(), o, "the server does not know the task")
		e.Class, e.Err, e.Retryable = ClassTask, ErrNotFound, false
		return Task{}, e
	}
	if len(list) != 1 || list[0].ID != id {
		return Task{}, c.unexpected(k.op(), o, "the answer does not describe the task that was asked for")
	}
	return list[0], nil
}

// outcome is what is known after the POST.
type outcome string

const (
	outcomeDone      outcome = "done"
	outcomeNotSent   outcome = "not_sent"
	outcomeRejected  outcome = "rejected"
	outcomeLater     outcome = "rejected_for_now"
	outcomeAmbiguous outcome = "ambiguous"
)

// post buys: it starts an export of req into the collector target, with exactly one POST that is never
// repeated, whatever happens. An error does not mean that nothing was bought; Acquire knows how to find
// out, and is the only caller.
func (c *Client) post(ctx context.Context, req Request, target string, late func() bool) (Task, outcome, error) {
	path, template := req.path()
	k := call{method: http.MethodPost, path: path, template: template, limit: c.limits.export, retries: retryNone, late: late}
	err := checkID(clientID, "collector", target)
	if err == nil && (req.Kind == KindProject && !serverID.MatchString(req.Project) || req.Kind == KindStream && !clientID.MatchString(req.Stream)) {
		err = &Error{Class: ClassUsage, Op: k.op(), Message: "the id of the project or stream holds characters that no such id has"}
	}
	if err == nil {
		k.body, err = req.body(target)
	}
	if err != nil {
		return Task{}, outcomeNotSent, err
	}
	o, err := c.do(ctx, k)
	if err != nil {
		return Task{}, outcomeOf(err), err
	}
	list := c.tasksOf(o)
	if len(list) != 1 || list[0].ID == "" || list[0].Target != target {
		e := c.unexpected(k.op(), o, "the answer does not name the task that should have been created")
		return Task{}, outcomeAmbiguous, e
	}
	return list[0], outcomeDone, nil
}

// outcomeOf classifies a failed POST. What is not provably refused or unsent is ambiguous.
func outcomeOf(err error) outcome {
	var e *Error
	switch {
	case !errors.As(err, &e): // the context ended, before or after the request left
		return outcomeAmbiguous
	case e.sent:
		return outcomeAmbiguous
	case e.HTTP == 0:
		return outcomeNotSent
	case e.retry == retryLimited:
		return outcomeLater
	}
	return outcomeRejected
}
