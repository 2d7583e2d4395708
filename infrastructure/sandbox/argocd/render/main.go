// Renders Applications with the repo server's own service, in one process: no server, no cache of others, no cluster.
// A JSON object on standard input says what; each Application is one line of JSON on standard output as soon as it is done.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/cache"
	"github.com/argoproj/argo-cd/v3/reposerver/metrics"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/argo"
	cacheutil "github.com/argoproj/argo-cd/v3/util/cache"
	"github.com/argoproj/argo-cd/v3/util/git"
)

type input struct {
	// Of the cluster for which it is rendered.
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
	// The label's name when objects are to carry Argo CD's mark of the application, else nothing.
	Tracking string    `json:"tracking"`
	Requests []request `json:"requests"`
}

type request struct {
	// Each side has a clone of its own: Argo CD keeps one commit of a repository checked out at a time.
	Side        string               `json:"side"`
	Application v1alpha1.Application `json:"application"`
}

type answer struct {
	Index     int               `json:"index"`
	Manifests []json.RawMessage `json:"manifests,omitempty"`
	Error     string            `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	logrus.SetLevel(logrus.PanicLevel) // what fails is in the answer
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	work, err := os.MkdirTemp("", "argocd-render-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(work)
	sides := map[string]*repository.Service{}
	for _, one := range in.Requests {
		if sides[one.Side] == nil {
			sides[one.Side] = service(filepath.Join(work, one.Side))
		}
	}
	var out sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, 2*runtime.NumCPU())
	for index, one := range in.Requests {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			said := answer{Index: index}
			manifests, err := render(sides[one.Side], &one.Application, &in)
			if err != nil {
				said.Error = strings.ReplaceAll(err.Error(), work, "")
			}
			said.Manifests = manifests
			out.Lock()
			defer out.Unlock()
			if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
				log.Fatal(err)
			}
		})
	}
	all.Wait()
}

func service(root string) *repository.Service {
	store := cache.NewCache(cacheutil.NewCache(cacheutil.NewInMemoryCache(time.Hour)), time.Hour, time.Hour, time.Minute)
	limit := int64(1 << 30) // as the repo server's flags have it
	made := repository.NewService(metrics.NewMetricsServer(), store, repository.RepoServerInitConstants{
		MaxCombinedDirectoryManifestsSize: resource.MustParse("10M"),
		HelmManifestMaxExtractedSize:      limit,
		HelmRegistryMaxIndexSize:          limit,
		OCIManifestMaxExtractedSize:       limit,
		StreamedManifestMaxExtractedSize:  limit,
		StreamedManifestMaxTarSize:        100 << 20,
		EnableBuiltinGitConfig:            true,
		HelmChartCacheExpiration:          time.Hour,
	}, git.NoopCredsStore{}, root)
	if err := made.Init(); err != nil {
		log.Fatal(err)
	}
	return made
}

// As Argo CD's controller asks for the objects of an Application, source by source.
func render(from *repository.Service, app *v1alpha1.Application, in *input) ([]json.RawMessage, error) {
	ctx := context.Background()
	sources := app.Spec.GetSources()
	refs, err := argo.GetRefSources(ctx, sources, app.Spec.Project, repositoryOf, nil)
	if err != nil {
		return nil, err
	}
	manifests := []json.RawMessage{}
	for i, source := range sources {
		repo, _ := repositoryOf(ctx, source.RepoURL, "")
		found, err := from.GenerateManifest(ctx, &apiclient.ManifestRequest{
			Repo:               repo,
			Revision:           source.TargetRevision,
			AppLabelKey:        in.Tracking,
			AppName:            app.Name,
			Namespace:          app.Spec.Destination.Namespace,
			ApplicationSource:  &source,
			KubeVersion:        in.KubeVersion,
			ApiVersions:        in.APIVersions,
			TrackingMethod:     string(v1alpha1.TrackingMethodAnnotation),
			HasMultipleSources: app.Spec.HasMultipleSources(),
			RefSources:         refs,
			ProjectSourceRepos: []string{"*"},
			ProjectName:        app.Spec.Project,
		})
		if err != nil {
			return nil, fmt.Errorf("source %d of %d: %w", i+1, len(sources), err)
		}
		for _, text := range found.Manifests {
			manifests = append(manifests, json.RawMessage(text))
		}
	}
	return manifests, nil
}

func repositoryOf(_ context.Context, url string, _ string) (*v1alpha1.Repository, error) {
	return &v1alpha1.Repository{Repo: url, Depth: 1}, nil
}
