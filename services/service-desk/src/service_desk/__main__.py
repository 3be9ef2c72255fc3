from service_desk.app import SERVICE

SERVICE.run()
