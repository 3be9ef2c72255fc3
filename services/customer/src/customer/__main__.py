from customer.app import SERVICE

SERVICE.run()
