from workspace.app import SERVICE

SERVICE.run()
