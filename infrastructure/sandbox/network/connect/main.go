// Says of each connection which ends of it a set of network policies lets through, by Cyclonus' reading of them: a second
// opinion on scripts/lib/policies/connect.ts. JSON on standard input and output.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	networking "k8s.io/api/networking/v1"
)

type answer struct {
	Ingress bool `json:"ingress"`
	Egress  bool `json:"egress"`
}

func main() {
	var asked struct {
		Policies []*networking.NetworkPolicy
		Traffic  []*matcher.Traffic
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	policies := matcher.BuildNetworkPolicies(true, asked.Policies)
	answers := make([]answer, len(asked.Traffic))
	for i, traffic := range asked.Traffic {
		result := policies.IsTrafficAllowed(traffic)
		answers[i] = answer{Ingress: result.Ingress.IsAllowed(), Egress: result.Egress.IsAllowed()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
