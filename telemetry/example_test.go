package telemetry_test

import (
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/fedihook/fedihook/delivery"
	"github.com/fedihook/fedihook/storage"
	"github.com/fedihook/fedihook/telemetry"
)

// A room that is used alone has an Observer for it.
func ExampleTelemetry_Delivery() {
	tell := &telemetry.Telemetry{MeterProvider: metric.NewMeterProvider()}
	q, err := delivery.New(delivery.Config{Store: storage.Memory().Queue, Observer: tell.Delivery()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q != nil)
	// Output: true
}
