from crm_cli.main import main

main()
