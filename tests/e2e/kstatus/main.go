// Command kstatus tells how GitOps tools judge objects, by the libraries that these tools are built on.
//
// It reads one JSON document from standard input,
//
//	{"objects": [{…}], "flux": {"NAME": {"inProgress": "…", "failed": "…", "current": "…"}}, "lua": "…"}
//
// and writes one verdict for each object: by kstatus of sigs.k8s.io/cli-utils, by the evaluator of Flux's
// healthCheckExprs for each named set of expressions, and by a health check in the Lua machine of Argo CD.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type request struct {
	Objects []json.RawMessage                           `json:"objects"`
	Flux    map[string]kustomize.HealthCheckExpressions `json:"flux"`
	Lua     string                                      `json:"lua"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type verdicts struct {
	Kstatus verdict            `json:"kstatus"`
	Flux    map[string]verdict `json:"flux"`
	Argo    *verdict           `json:"argo,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	evaluators := map[string]*cel.StatusEvaluator{}
	for name, expressions := range asked.Flux {
		evaluator, err := cel.NewStatusEvaluator(&expressions)
		if err != nil {
			return fmt.Errorf("flux %s: %w", name, err)
		}
		evaluators[name] = evaluator
	}
	answers := []verdicts{}
	for index, raw := range asked.Objects {
		answer, err := judge(raw, evaluators, asked.Lua)
		if err != nil {
			return fmt.Errorf("object %d: %w", index, err)
		}
		answers = append(answers, *answer)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func judge(raw []byte, evaluators map[string]*cel.StatusEvaluator, script string) (*verdicts, error) {
	// The objects' own decoder keeps whole numbers whole, as the API machinery's does.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	computed, err := status.Compute(object)
	if err != nil {
		return nil, err
	}
	answer := &verdicts{Kstatus: verdict{computed.Status.String(), computed.Message}, Flux: map[string]verdict{}}
	for name, evaluator := range evaluators {
		found, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return nil, fmt.Errorf("flux %s: %w", name, err)
		}
		answer.Flux[name] = verdict{string(found.Status), found.Message}
	}
	if script != "" {
		if answer.Argo, err = health(object, script); err != nil {
			return nil, fmt.Errorf("lua: %w", err)
		}
	}
	return answer, nil
}

// health runs a health check as Argo CD does: no libraries but the basic ones, the object as the global obj.
func health(object *unstructured.Unstructured, script string) (*verdict, error) {
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer machine.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
		lua.LoadLibName: lua.OpenPackage,
	} {
		machine.Push(machine.NewFunction(open))
		machine.Push(lua.LString(name))
		machine.Call(1, 0)
	}
	machine.SetGlobal("obj", value(machine, object.Object))
	if err := machine.DoString(script); err != nil {
		return nil, err
	}
	table, ok := machine.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returned %s and not a table", machine.Get(-1).Type())
	}
	return &verdict{
		lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message")),
	}, nil
}

func value(machine *lua.LState, given any) lua.LValue {
	switch typed := given.(type) {
	case map[string]any:
		table := machine.NewTable()
		for key, inner := range typed {
			table.RawSetString(key, value(machine, inner))
		}
		return table
	case []any:
		table := machine.NewTable()
		for _, inner := range typed {
			table.Append(value(machine, inner))
		}
		return table
	case string:
		return lua.LString(typed)
	case bool:
		return lua.LBool(typed)
	case int64:
		return lua.LNumber(typed)
	case float64:
		return lua.LNumber(typed)
	default:
		return lua.LNil
	}
}
