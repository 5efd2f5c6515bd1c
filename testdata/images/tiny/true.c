/* The smallest program there is to launch. */
int main(void)
{
	return 0;
}
