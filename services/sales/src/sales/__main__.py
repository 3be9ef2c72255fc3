from sales.app import SERVICE

SERVICE.run()
