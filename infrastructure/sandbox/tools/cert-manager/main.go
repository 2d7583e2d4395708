// cert-manager's controller, webhook and cainjector as one program for the sandbox.
//
// The reconcilers, the admission code and the injector are cert-manager's own packages; only the
// command around them is ours, since upstream keeps its commands in modules of their own, which
// the module proxy does not serve. Internal CAs are complete; ACME issuers are left out (their
// challenges need the internet).
//
//	cert-manager-sandbox controller|webhook|cainjector -kubeconfig FILE -namespace NS [-port N] [-metrics N] [-service NAME]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cert-manager/cert-manager/internal/webhook"
	cmscheme "github.com/cert-manager/cert-manager/pkg/client/clientset/versioned/scheme"
	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	apireg "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	// What an internal CA needs: each package registers its reconciler with controller.Known.
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

var (
	flags      = flag.NewFlagSet("cert-manager-sandbox", flag.ExitOnError)
	kubeconfig = flags.String("kubeconfig", "", "how to reach the API server")
	namespace  = flags.String("namespace", "cert-manager", "the namespace of the release, where ClusterIssuers keep their Secrets")
	service    = flags.String("service", "cert-manager-webhook", "webhook: the name of its Service")
	port       = flags.Int("port", 0, "webhook: the port to serve on")
	measured   = flags.Int("metrics", 0, "controller: the port on loopback where metrics are; 0 is any")
)

func main() {
	roles := map[string]func(context.Context) error{
		"controller": runController, "webhook": runWebhook, "cainjector": runCAInjector,
	}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: cert-manager-sandbox controller|webhook|cainjector [flags]")
		os.Exit(2)
	}
	role := os.Args[1]
	_ = flags.Parse(os.Args[2:]) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logf.InitLogs()
	ctrl.SetLogger(logf.Log)
	if err := roles[role](logf.NewContext(ctx, logf.Log, role)); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "cert-manager-sandbox", role+":", err)
		os.Exit(1)
	}
}

func runController(ctx context.Context) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         *kubeconfig,
		KubernetesAPIQPS:   100,
		KubernetesAPIBurst: 200,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: *namespace},
		IngressShimOptions: controller.IngressShimOptions{DefaultIssuerKind: "Issuer", DefaultIssuerGroup: "cert-manager.io"},
		CertificateOptions: controller.CertificateOptions{
			CertificateRequestMinimumBackoffDuration: 5 * time.Second, // an hour upstream: a rehearsal has no hour
			CertificateRequestMaximumBackoffDuration: time.Minute,
		},
		SchedulerOptions: controller.SchedulerOptions{MaxConcurrentChallenges: 1},
	})
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *measured))
	if err != nil {
		return err
	}
	kinds := shared.SharedInformerFactory.Certmanager().V1()
	shared.Metrics.SetupCertificateCollector(kinds.Certificates().Lister())
	shared.Metrics.SetupIssuerCollector(kinds.Issuers().Lister())
	shared.Metrics.SetupClusterIssuerCollector(kinds.ClusterIssuers().Lister())
	server := shared.Metrics.NewServer(listener)
	defer server.Close()
	go server.Serve(listener)
	var all sync.WaitGroup
	var lock sync.Mutex
	var failed error
	for name, build := range controller.Known() {
		if strings.HasPrefix(name, "certificatesigningrequests") {
			continue // the experimental signer; off upstream too
		}
		reconciler, err := build(factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all.Go(func() {
			if err := reconciler.Run(5, ctx); err != nil {
				lock.Lock()
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				lock.Unlock()
				cancel()
			}
		})
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	all.Wait()
	return failed
}

func runWebhook(ctx context.Context) error {
	config, err := options.NewWebhookConfiguration() // upstream's defaults
	if err != nil {
		return err
	}
	config.KubeConfig = *kubeconfig
	config.SecurePort = int32(*port)
	config.HealthzPort = 0
	config.MetricsListenAddress = "0"
	config.TLSConfig.Dynamic.SecretNamespace = *namespace
	config.TLSConfig.Dynamic.SecretName = *service + "-ca"
	config.TLSConfig.Dynamic.DNSNames = []string{*service, *service + "." + *namespace, *service + "." + *namespace + ".svc"}
	server, err := webhook.NewCertManagerWebhookServer(logf.FromContext(ctx), *config)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

func runCAInjector(ctx context.Context) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kubescheme.AddToScheme, cmscheme.AddToScheme, apiext.AddToScheme, apireg.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.UserAgent = "cert-manager-cainjector" // what it calls itself when it applies: the API server asks for a name
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metrics.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	err = cainjector.RegisterAllInjectors(ctx, manager, cainjector.SetupOptions{
		EnableCertificatesDataSource: true,
		EnabledReconcilersFor: map[string]bool{
			cainjector.ValidatingWebhookConfigurationName: true,
			cainjector.MutatingWebhookConfigurationName:   true,
			cainjector.CustomResourceDefinitionName:       true,
			cainjector.APIServiceName:                     true,
		},
	})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}
