"""This process on its machine: `clocks`, loop and memory (`running`), service manager (`activation`, `service_manager`)."""
