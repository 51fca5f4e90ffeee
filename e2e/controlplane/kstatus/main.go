// Kstatus prints what sigs.k8s.io/cli-utils says of the objects on standard input, JSON one after another, a line each:
// the status and its message, parted by a tab. Argo CD's and Flux' waiting, and kubectl's own, go by these rules.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	objects := json.NewDecoder(os.Stdin)
	for {
		var text json.RawMessage
		err := objects.Decode(&text)
		if errors.Is(err, io.EOF) {
			return
		}
		// Through its own decoder, which keeps whole numbers whole.
		var object unstructured.Unstructured
		if err == nil {
			err = object.UnmarshalJSON(text)
		}
		var result *status.Result
		if err == nil {
			result, err = status.Compute(&object)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
