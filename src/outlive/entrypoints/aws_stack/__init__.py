"""`outlive aws`: the deployment on AWS, made and looked after with the SAM CLI and the services themselves."""
