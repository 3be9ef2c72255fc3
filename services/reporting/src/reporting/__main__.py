from reporting.app import SERVICE

SERVICE.run()
